/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "device/mdev.h"

/*
 * What a run of apply has brought to light that a snapshot does not show. Apply records it, and the
 * next plan observes it.
 */

/* What has happened to a device in this run. */
enum fact_kind {
	FACT_CHANGED, /* another process has changed it, or it is not in use any more */
	FACT_REFUSED, /* a script has refused its new definition: tried once more after the others
		       */
	FACT_IN_USE,  /* it cannot be stopped: it stays where it is */
	FACT_FAILED,  /* it is not changed any more in this run */
};

struct fact {
	char uuid[UUID_SIZE];
	enum fact_kind kind;
	unsigned round;	    /* in which it was found */
	enum answer in_use; /* of FACT_IN_USE: YES or UNKNOWN */
	char *use;	    /* owned: of FACT_IN_USE: words that follow its name; NULL = none */
};

struct facts {
	struct fact *v; /* owned; sorted by UUID */
	size_t n;
	struct mdev_list full; /* types without an instance on a parent, contrary to sysfs */
};

/* Returns the fact about a device; NULL = none. */
struct fact *facts_find(const struct facts *facts, const char *uuid);
/* Replaces the fact about a device, and returns it until the next one is set. */
struct fact *facts_set(struct facts *facts, const char *uuid, enum fact_kind kind, unsigned round);
void facts_free(struct facts *facts);
