/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "host/parent.h"
#include "set/defined.h"
#include "view/absent.h"

#define QUEUES "sys/bus/ap/devices"

/* bus: PCI_DEVICES or SUBCHANNELS. */
static bool read_attr(const struct env *env, const char *bus, const char *device, const char *name,
		      char text[64])
{
	_cleanup_free_ char *path = mem_printf("%s/%s/%s", bus, device, name);

	return file_read_attr(env->root, path, text, 64) == 0;
}

/* Newer NVIDIA drivers provide vGPUs without mdev. */
static char *explain_vgpu(const struct env *env, const char *device)
{
	if (!env_has(env, PCI_DEVICES "/%s/nvidia/current_vgpu_type", device))
		return NULL;
	return mem_printf("The NVIDIA driver of this host does not use mediated devices: to create "
			  "a vGPU, write the number of its type to /" PCI_DEVICES
			  "/%s/nvidia/current_vgpu_type, and assign the PCI device to a guest",
			  device);
}

/* Drivers of most cards support types only on virtual functions. */
static char *explain_disabled(const struct env *env, const char *device)
{
	char class[64], possible[64], on[64];

	if (!read_attr(env, PCI_DEVICES, device, "class", class) ||
	    strncmp(class, "0x03", 4) != 0 ||
	    !read_attr(env, PCI_DEVICES, device, "sriov_totalvfs", possible) ||
	    strcmp(possible, "0") == 0 ||
	    !read_attr(env, PCI_DEVICES, device, "sriov_numvfs", on) || strcmp(on, "0") != 0)
		return NULL;
	return mem_printf("Graphics card %s has no virtual functions enabled, but its driver may "
			  "support types only on these; see /" PCI_DEVICES "/%s/sriov_numvfs",
			  device, device);
}

/* Explains why no graphics card of this host is a parent; NULL = no explanation found. */
static char *explain_cards(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };
	char *why = NULL;

	(void)file_scan(env->root, PCI_DEVICES, &names); /* empty without PCI */
	for (int i = 0; i < names.n && !why; i++)
		why = explain_vgpu(env, names.v[i]->d_name);
	for (int i = 0; i < names.n && !why; i++)
		why = explain_disabled(env, names.v[i]->d_name);
	return why;
}

/* NULL = the device has no virtual function that is a parent. */
static char *explain_card(const struct env *env, const char *device)
{
	_cleanup_names_ struct file_names names = { 0 };

	(void)file_scan(env->root, PARENT_CLASS, &names);
	for (int i = 0; i < names.n; i++)
		if (parent_is(env, names.v[i]->d_name, device))
			return mem_printf("%s is a card whose virtual functions are the parents, "
					  "for example '%s'",
					  device, names.v[i]->d_name);
	return NULL;
}

/* Drivers that take a whole device, or support no mediated devices. */
static bool is_foreign(const char *driver)
{
	static const char foreign[][sizeof("uio_pci_generic")] = { "vfio-pci",	      "pci-stub",
								   "pciback",	      "xen-pciback",
								   "uio_pci_generic", "nouveau" };

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (strcmp(driver, foreign[i]) == 0)
			return true;
	return false;
}

/* Explains why the driver of this PCI device does not make it a parent. */
static char *explain_driver(const struct env *env, const char *device)
{
	const char *driver = parent_driver(env, device);
	const char *why = ", which offers no mediated devices for it";

	if (!driver)
		return mem_printf("%s has no driver; to use it as a parent, load the driver of its "
				  "vendor",
				  device);
	if (is_foreign(driver))
		why = "; to use it as a parent, bind it to the driver of its vendor";
	else if (strcmp(driver, "i915") == 0)
		why = ", but GVT-g is not enabled: boot with i915.enable_gvt=1, and load the "
		      "module kvmgt";
	else if (strcmp(driver, "nvidia") == 0)
		why = env_has(env, "sys/module/nvidia_vgpu_vfio")
			      ? ", which offers no types for it; in MIG mode, create GPU instances "
				"first"
			      : ", but the module nvidia_vgpu_vfio is not loaded: mediated devices "
				"require the vGPU driver for hosts";
	return mem_printf("%s is bound to %s%s", device, driver, why);
}

/* Skips what libvirt and nvidia-smi write in front of a name: "mdev_UUID_", "pci_", "css_", and a
 * domain of eight digits. */
static const char *skip_prefix(const char *word)
{
	static const char prefixes[][sizeof("pci_")] = { "pci_", "css_", "ccw_" };

	if (strncmp(word, "mdev_", 5) == 0 && strlen(word) > 5 + UUID_SIZE &&
	    word[4 + UUID_SIZE] == '_')
		return word + 5 + UUID_SIZE;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(word, prefixes[i], strlen(prefixes[i])) == 0)
			return word + strlen(prefixes[i]);
	if (strncmp(word, "0000", 4) == 0 && strcspn(word, ":") == 8)
		return word + 4;
	return word;
}

/* Whether the words are equal but for case, and for punctuation, which libvirt writes as "_". */
static bool is_spelling_of(const char *word, const char *name)
{
	for (; *word && *name; word++, name++)
		if (tolower((unsigned char)*word) != tolower((unsigned char)*name) &&
		    (*word != '_' || isalnum((unsigned char)*name)))
			return false;
	return !*word && !*name;
}

/* Returns the name in a directory that the word is a spelling of; NULL = there is none. lspci
 * leaves out the domain 0000. */
static char *find_spelling(const struct env *env, const char *directory, const char *word)
{
	_cleanup_names_ struct file_names names = { 0 };
	_cleanup_free_ char *full = mem_printf("0000:%s", word);

	(void)file_scan(env->root, directory, &names);
	for (int i = 0; i < names.n; i++)
		if (is_spelling_of(skip_prefix(word), names.v[i]->d_name) ||
		    is_spelling_of(full, names.v[i]->d_name))
			return mem_text(names.v[i]->d_name);
	return NULL;
}

/* Explains what a PCI device is that is not a parent. NULL = the word is none. */
static char *explain_pci(const struct env *env, const char *word)
{
	_cleanup_free_ char *device = find_spelling(env, PCI_DEVICES, word);

	if (!device)
		return NULL;
	char *why = explain_vgpu(env, device);
	if (!why)
		why = explain_disabled(env, device);
	if (!why)
		why = explain_card(env, device);
	return why ? why : explain_driver(env, device);
}

/* Finds the subchannel of a device, whose number dev_busid shows whatever the driver of the
 * subchannel is. NULL = the word is not the number of a device. */
static char *find_of_device(const struct env *env, const char *word)
{
	_cleanup_names_ struct file_names names = { 0 };
	char device[64];

	if (strncmp(word, "css_", 4) == 0 || file_scan(env->root, SUBCHANNELS, &names) < 0)
		return NULL;
	for (int i = 0; i < names.n; i++)
		if (read_attr(env, SUBCHANNELS, names.v[i]->d_name, "dev_busid", device) &&
		    strcmp(device, "none") != 0 && is_spelling_of(skip_prefix(word), device))
			return mem_text(names.v[i]->d_name);
	return NULL;
}

char *absent_spelling(const struct env *env, const char *word)
{
	_cleanup_free_ char *of_device = find_of_device(env, word);

	if (of_device && parent_present(env, of_device))
		return mem_printf(". Did you mean '%s', the subchannel of device %s?", of_device,
				  word);
	_cleanup_free_ char *spelt = find_spelling(env, PARENT_CLASS, word);
	return spelt ? mem_printf(". Did you mean '%s'?", spelt) : NULL;
}

/* On IBM Z, users know the numbers of devices, but parents are subchannels, and only those bound to
 * vfio_ccw. NULL = the word is neither. */
static char *explain_subchannel(const struct env *env, const char *word)
{
	_cleanup_free_ char *of_device = find_of_device(env, word);
	_cleanup_free_ char *itself = find_spelling(env, SUBCHANNELS, word);

	if (itself ? parent_present(env, itself) : !of_device)
		return NULL;
	return mem_printf("To use %s %s as a parent, run 'driverctl -b css set-override %s "
			  "vfio_ccw'",
			  itself ? "subchannel" : "its subchannel", itself ? itself : of_device,
			  itself ? itself : of_device);
}

/* Queues of cryptographic adapters are attributes of devices of the parent "matrix", which exists
 * while vfio_ap is loaded. NULL = the word is neither. */
static char *explain_queue(const struct env *env, const char *word)
{
	if (strcmp(word, "matrix") == 0 && env_has(env, QUEUES))
		return mem_text("It exists only while the module vfio_ap is loaded");
	if (!env_has(env, QUEUES "/%s", word))
		return NULL;
	return mem_printf("%s is a cryptographic adapter or a queue of one: bind its queues to "
			  "vfio_ap, and use the parent 'matrix'",
			  word);
}

/* The drivers of s390 do not require an IOMMU. */
char *absent_all(const struct env *env)
{
	_cleanup_names_ struct file_names iommus = { 0 };
	char *cards = explain_cards(env);
	const char *more = "";

	if (cards)
		return cards;
	(void)file_scan(env->root, "sys/class/iommu", &iommus);
	if (env_has(env, SUBCHANNELS))
		more = ". To use a subchannel as a parent, run 'driverctl -b css set-override "
		       "SUBCHANNEL vfio_ccw'; for cryptographic adapters, load vfio_ap";
	else if (iommus.n == 0)
		more = ". There is no IOMMU either; it may be disabled in the firmware or on the "
		       "kernel command line";
	return mem_printf("%s%s",
			  env_has(env, PARENT_CLASS)
				  ? "The loaded drivers have no device that supports types"
				  : "No loaded driver supports mediated devices",
			  more);
}

const char *absent_words(const struct env *env, const char *parent)
{
	const char *driver = parent_driver(env, parent);
	_cleanup_free_ char *bound = driver ? mem_printf("bound to %s", driver) : NULL;

	return bound			       ? mem_intern(bound)
	       : parent_is_device(env, parent) ? "without driver"
					       : "not present";
}

static char *find_hint(const struct env *env, const char *parent)
{
	_cleanup_names_ struct file_names names = { 0 };
	struct suggestion suggestion = { .word = parent };
	char *spelling = absent_spelling(env, parent);

	if (spelling)
		return spelling;
	_cleanup_free_ char *why = explain_subchannel(env, parent);
	if (!why)
		why = explain_pci(env, parent);
	if (!why)
		why = explain_queue(env, parent);
	(void)file_scan(env->root, PARENT_CLASS, &names); /* on errors, nothing is suggested */
	if (!why && names.n == 0)
		why = absent_all(env);
	if (why)
		return mem_printf(". %s", why);
	bool defined = defined_has_parent(env, parent); /* it is not misspelt */
	for (int i = 0; i < names.n && !defined; i++)
		suggest_try(&suggestion, names.v[i]->d_name);
	return suggest_question(&suggestion);
}

char *absent_parent(const struct env *env, const char *parent)
{
	_cleanup_free_ char *hint = find_hint(env, parent);

	return mem_printf("Unable to find parent device '%s'%s", parent, hint);
}
