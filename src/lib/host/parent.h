/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "host/env.h"
#include "host/holder.h"

/*
 * Hardware that can be a parent of mediated devices, as described by sysfs: graphics cards and
 * their virtual functions (kernel documentation, ABI/testing/sysfs-bus-pci).
 */

/* Where parents are registered, and the devices that most of them are. */
#define PARENT_CLASS "sys/class/mdev_bus"
#define PCI_DEVICES "sys/bus/pci/devices"
#define SUBCHANNELS "sys/bus/css/devices"

/* Return the driver of a parent, or of a PCI device or subchannel that is none, and the physical
 * function if a parent is a virtual function: 64 parents may be one card. Interned; NULL = not
 * provided by sysfs. */
const char *parent_driver(const struct env *env, const char *parent);
const char *parent_card(const struct env *env, const char *parent);

/* Whether there is a PCI device or a subchannel with this name, be it a parent or not. */
bool parent_is_device(const struct env *env, const char *name);

/* A virtual function that the newer NVIDIA driver turns into a vGPU without mediated devices: the
 * number of a type is written to nvidia/current_vgpu_type (NVIDIA vGPU software documentation). */
struct parent_vf {
	char *path;	    /* owned: its sysfs directory, relative to the root */
	const char *name;   /* borrowed: its PCI address, the end of path */
	const char *driver; /* interned; NULL = none */
	const char *card;   /* interned: its physical function; NULL = unknown */
	enum answer typed;  /* whether it has a type */
	unsigned type;
	const char *title; /* interned: name of the type; NULL = unknown */
};

struct parent_vf_list {
	struct parent_vf *v; /* owned; sorted by name */
	size_t n;
	struct holder *holders; /* owned: their users, in the same order */
};
/* Finds all of them, and the processes that use them (holder_find_all()). */
void parent_find_vfs(const struct env *env, struct parent_vf_list *ret);
void parent_free_vfs(struct parent_vf_list *list);

/* Whether this is the name of the parent, or of the card whose virtual function it is. */
bool parent_is(const struct env *env, const char *parent, const char *name);

/* Whether there is such a parent. */
bool parent_present(const struct env *env, const char *parent);
