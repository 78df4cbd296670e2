/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "ui/table.h"

struct table {
	struct libscols_table *scols; /* owned; NULL = out of memory */
	unsigned columns;
	int error; /* 0, or the first -errno */
};

/* Records a failure, which can only be a lack of memory. */
static void note(struct table *table, int r)
{
	if (r < 0 && table->error == 0)
		table->error = r;
}

struct table *table_new(const char *const columns[], bool headings)
{
	struct table *table = mem_zero(1, sizeof(*table));

	/* Without this, the locale is C, and the tree is drawn in ASCII. Messages and numbers are
	 * not affected. */
	setlocale(LC_CTYPE, "");
	table->scols = scols_new_table();
	if (!table->scols) {
		table->error = -ENOMEM;
		return table;
	}
	for (; columns[table->columns]; table->columns++) {
		bool first = table->columns == 0, last = !columns[table->columns + 1];
		int flags = (first ? SCOLS_FL_TREE : 0) | (last ? SCOLS_FL_TRUNC : 0);

		/* 1: not wider than its cells; if the table is too wide, only the last column is
		 * truncated. */
		if (!scols_table_new_column(table->scols, columns[table->columns], last ? 0 : 1,
					    flags))
			note(table, -ENOMEM);
	}
	note(table, scols_table_enable_noheadings(table->scols, !headings));
	note(table, scols_table_enable_minout(table->scols, 1)); /* no trailing spaces */
	note(table, scols_table_enable_colors(table->scols, log_colours(STDOUT_FILENO)));
	return table;
}

struct table_row *table_add(struct table *table, struct table_row *above, const char *const cells[])
{
	struct libscols_line *line =
		table->error ? NULL
			     : scols_table_new_line(table->scols, (struct libscols_line *)above);

	if (!line)
		note(table, -ENOMEM);
	for (unsigned i = 0; line && i < table->columns; i++) {
		if (!cells[i])
			continue;
		_cleanup_free_ char *text = mem_text(cells[i]);
		text_clean(text);
		note(table, scols_line_set_data(line, i, text));
	}
	return (struct table_row *)line;
}

void table_warn(struct table *table, struct table_row *row, unsigned column)
{
	struct libscols_line *line = (struct libscols_line *)row;

	if (line && scols_table_colors_wanted(table->scols))
		note(table, scols_cell_set_color(scols_line_get_cell(line, column), "red"));
}

int table_print(struct table *table, struct error *err)
{
	if (table->error == 0 && scols_table_get_nlines(table->scols) > 0)
		note(table, scols_print_table(table->scols));
	if (table->error)
		return error_set(err, STATUS_FAILED, "Unable to print the table: %s",
				 strerror(-table->error));
	return 0;
}

void table_free(struct table **table)
{
	if (!*table)
		return;
	scols_unref_table((*table)->scols);
	free(*table);
	*table = NULL;
}
