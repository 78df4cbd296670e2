/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * A table for people, whose first column is a tree, drawn by libsmartcols, which only table.c
 * knows. Lines are drawn in UTF-8 or ASCII after the locale; what is not printable there is
 * escaped. The last column is cut where a terminal ends; elsewhere nothing is.
 */
struct table;
struct table_row; /* borrowed from its table */

/* columns: the headings, up to NULL. */
struct table *table_new(const char *const columns[], bool headings);

/* Adds a row below another one of the tree, or at the root (NULL). A cell for each column; "" = an
 * empty one. Copies the texts. */
struct table_row *table_add(struct table *table, struct table_row *above,
			    const char *const cells[]);

/* Shows a cell as bad news, if the terminal has colours. */
void table_warn(struct table *table, struct table_row *row, unsigned column);

/* Prints the table to stdout. A table without rows prints nothing. Errors: STATUS_FAILED. */
int table_print(struct table *table, struct error *err);

void table_free(struct table **table);
#define _cleanup_table_ __attribute__((cleanup(table_free)))
