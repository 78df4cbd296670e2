/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "apply/planner.h"

/* Plans the sets of the file: which devices belong to them and stay, which are removed, and where
 * new ones are created. Errors: see plan_make(). */
int plan_sets(struct planner *p, struct error *err);
