// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel of the guest in guest/inner.bash. Whenever the serial card that mtty emulates is
 * there, writes to it and reads back. Releases the card when its removal is requested, and powers
 * off when the power button is pressed. Reports on the first serial port. It is so small because
 * its processor is emulated by an emulated machine, where Linux takes minutes to boot.
 *
 * QEMU starts it by the Multiboot specification, in 32-bit mode, on a machine of type pc.
 */
#include <stdbool.h>
#include <stdint.h>

__asm__(".text\n"
	".long 0x1badb002, 0, -0x1badb002\n" /* magic, flags, checksum */
	".globl _start\n"
	"_start:\n"
	"mov $0x90000, %esp\n"
	"call run\n");

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* Serial ports are those of the PC: base + 0 is the data, base + 5 the line status. */
enum { CONSOLE = 0x3f8, STATUS = 5, RECEIVED = 0x01, CAN_SEND = 0x20 };

static void send(uint16_t base, char c)
{
	while (!(in8(base + STATUS) & CAN_SEND))
		;
	out8(base, (uint8_t)c);
}

static void print(const char *text)
{
	for (; *text; text++)
		send(CONSOLE, *text);
}

/* The PCI configuration of function 0 of a slot of the first bus, but for the power management of
 * the chipset. */
static void select_config(unsigned slot, unsigned function, unsigned at)
{
	out32(0xcf8, 0x80000000 | slot << 11 | function << 8 | at);
}

static uint32_t read_config(unsigned slot, unsigned function, unsigned at)
{
	select_config(slot, function, at);
	return in32(0xcfc);
}

static void write_config(unsigned slot, unsigned at, uint32_t value)
{
	select_config(slot, 0, at);
	out32(0xcfc, value);
}

#ifndef CARD
#define CARD 0x32534348 /* mtty: device and vendor */
#endif
enum { COMMAND = 0x04, BAR0 = 0x10, IO_ENABLED = 1, CARD_PORT = 0xd000 };

/* Returns the slot of the card, or 0. */
static unsigned find_card(void)
{
	for (unsigned slot = 1; slot < 32; slot++)
		if (read_config(slot, 0, 0) == CARD)
			return slot;
	return 0;
}

/* mtty returns what is written to it. */
static void use_card(unsigned slot)
{
	write_config(slot, BAR0, CARD_PORT | 1);
	write_config(slot, COMMAND, IO_ENABLED);
	print("guest: the card returns: ");
	for (const char *text = "over the card"; *text; text++) {
		send(CARD_PORT, *text);
		for (unsigned tries = 0; tries < 1000 && !(in8(CARD_PORT + STATUS) & RECEIVED);
		     tries++)
			;
		send(CONSOLE, (char)in8(CARD_PORT));
	}
	print("\n");
}

/* Hotplug of the chipset: QEMU's docs/specs/acpi_pci_hotplug. */
enum { REMOVALS = 0xae04, EJECT = 0xae08, BUS = 0xae10 };

static void release_cards(void)
{
	out32(BUS, 0);
	uint32_t slots = in32(REMOVALS);
	for (unsigned slot = 0; slot < 32; slot++)
		if (slots & 1u << slot)
			out32(EJECT, 1u << slot);
}

/* Power management registers of the ACPI specification; the chipset is in slot 1, function 3. */
enum { EVENTS = 0, ENABLED = 2, CONTROL = 4, POWER_BUTTON = 0x100, SLEEP = 0x2000 };

__attribute__((noreturn, used)) static void run(void)
{
	uint16_t power = read_config(1, 3, 0x40) & 0xffc0;
	bool used = false;

	print("guest: is running\n");
	out16(power + ENABLED, POWER_BUTTON);
	while (!(in16(power + EVENTS) & POWER_BUTTON)) {
		unsigned slot = find_card();

		if (slot && !used)
			use_card(slot);
		else if (!slot && used)
			print("guest: the card is gone\n");
		used = slot != 0;
		release_cards();
	}
	print("guest: powers off\n");
	out16(power + CONTROL, SLEEP); /* type 0: off */
	for (;;)
		;
}
