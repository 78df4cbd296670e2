/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "ui/table.h"

static struct libscols_table *scols(struct table *table)
{
	return (struct libscols_table *)table;
}

struct table *table_new(const char *const columns[], bool headings)
{
	/* Without this, the locale is C, and the tree is drawn in ASCII. Messages and numbers are
	 * not affected. */
	setlocale(LC_CTYPE, "");
	struct libscols_table *table = mem_check(scols_new_table());
	for (size_t i = 0; columns[i]; i++) {
		bool last = !columns[i + 1];
		int flags = (i == 0 ? SCOLS_FL_TREE : 0) | (last ? SCOLS_FL_TRUNC : 0);

		/* 1: not wider than its cells; if the table is too wide, only the last column is
		 * truncated. */
		mem_check(scols_table_new_column(table, columns[i], last ? 0 : 1, flags));
	}
	/* These can fail only without a table. */
	(void)scols_table_enable_noheadings(table, !headings);
	(void)scols_table_enable_minout(table, 1); /* no trailing spaces */
	(void)scols_table_enable_colors(table, log_colours(STDOUT_FILENO));
	return (struct table *)table;
}

struct table_row *table_add(struct table *table, struct table_row *above, const char *const cells[])
{
	struct libscols_line *line =
		mem_check(scols_table_new_line(scols(table), (struct libscols_line *)above));

	for (size_t i = 0; i < scols_table_get_ncols(scols(table)); i++) {
		if (!cells[i])
			continue;
		char *text = mem_text(cells[i]);
		text_clean(text);
		(void)scols_line_refer_data(line, i, text); /* takes the text */
	}
	return (struct table_row *)line;
}

void table_warn(struct table *table, struct table_row *row, unsigned column)
{
	struct libscols_line *line = (struct libscols_line *)row;

	if (scols_table_colors_wanted(scols(table))) /* without memory, it has no colour */
		(void)scols_cell_set_color(scols_line_get_cell(line, column), "red");
}

int table_print(struct table *table, struct error *err)
{
	int r = scols_table_get_nlines(scols(table)) > 0 ? scols_print_table(scols(table)) : 0;

	return r < 0 ? error_set(err, STATUS_FAILED, "Unable to print the table: %s", strerror(-r))
		     : 0;
}

void table_free(struct table **table)
{
	scols_unref_table(scols(*table));
}
