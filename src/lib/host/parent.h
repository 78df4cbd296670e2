/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/env.h"

/*
 * The hardware that can be a parent of mediated devices, as far as sysfs describes it: graphics
 * cards and their virtual functions (kernel documentation, ABI/testing/sysfs-bus-pci).
 */

/* The driver of a parent that is present, and the physical function if it is a virtual one: 64
 * parents may be one card. Each owned by the caller; NULL = sysfs names none. */
char *parent_driver(const struct env *env, const char *parent);
char *parent_card(const struct env *env, const char *parent);

/* Why no graphics card of this host is a parent: newer drivers of NVIDIA offer vGPUs without mdev,
 * older ones offer types of most cards only on virtual functions. Owned by the caller; NULL = no
 * card tells anything. */
char *parent_explain_cards(const struct env *env);
