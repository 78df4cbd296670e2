/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * A table whose first column is a tree, printed with libsmartcols, which is used only in table.c.
 * Lines are drawn in UTF-8 or ASCII depending on the locale; characters that cannot be printed are
 * escaped. On a terminal, the last column is truncated to its width.
 */
struct table;
struct table_row; /* owned by its table */

/* Creates a table with these column headings, terminated by NULL. */
struct table *table_new(const char *const columns[], bool headings);

/* Adds a row below another one in the tree, or at the root (NULL), with one cell per column; NULL =
 * empty. Copies the texts. */
struct table_row *table_add(struct table *table, struct table_row *above,
			    const char *const cells[]);

/* Highlights a cell as a problem, if the terminal supports colours. */
void table_warn(struct table *table, struct table_row *row, unsigned column);

/* Prints the table to stdout. A table without rows prints nothing. Errors: STATUS_FAILED. */
int table_print(struct table *table, struct error *err);

void table_free(struct table **table);
#define _cleanup_table_ __attribute__((cleanup(table_free)))
