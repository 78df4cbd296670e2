/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "ui/status.h"

/*
 * The tree of mdev-status(8), with one line per parent, type and device, printed with libsmartcols,
 * which is used only here. Lines are drawn in UTF-8 or ASCII depending on the locale; characters
 * that cannot be printed are escaped. On a terminal, the last column is truncated to its width.
 */

/* Prints the tree to stdout, or nothing if there is nothing to show. Errors: STATUS_FAILED. */
int tree_print(const struct status_report *report, struct error *err);
