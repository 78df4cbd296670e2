/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/history.h"
#include "host/journal.h"
#include "host/kmsg.h"

/* Longer texts are cut. */
#define LONGEST_TEXT 500
#define LONGEST_SOURCE 40

/* Returns the text as one printable line. */
static char *one_line(const char *text, size_t len, size_t longest)
{
	_cleanup_free_ char *line = mem_text_n(text, len < longest ? len : longest);

	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\t' || *p == '\r')
			*p = ' ';
	for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--)
		line[n - 1] = '\0';
	text_clean(line);
	return mem_printf("%s%s", line, len > longest ? "..." : "");
}

bool history_wants(const struct history *history, uint64_t time)
{
	return history->n < HISTORY_ENTRIES || time > history->v[0].time;
}

static void free_entry(struct history_entry *entry)
{
	free(entry->source);
	free(entry->text);
}

void history_add(struct history *history, uint64_t time, const char *source, size_t source_len,
		 const char *text, size_t len)
{
	size_t i = history->n;

	if (!history_wants(history, time))
		return;
	for (; i > 0 && history->v[i - 1].time > time; i--)
		;
	memmove(&history->v[i + 1], &history->v[i], (history->n - i) * sizeof(history->v[0]));
	history->v[i] =
		(struct history_entry){ .time = time,
					.source = one_line(source, source_len, LONGEST_SOURCE),
					.text = one_line(text, len, LONGEST_TEXT) };
	if (history->n < HISTORY_ENTRIES) {
		history->n++;
		return;
	}
	free_entry(&history->v[0]);
	memmove(&history->v[0], &history->v[1], HISTORY_ENTRIES * sizeof(history->v[0]));
}

/* Returns the time of a record, whose third field is the time since the host was booted, as
 * microseconds since 1970. */
static uint64_t time_of(const char *record)
{
	const char *comma = strchr(record, ',');
	struct timespec now;

	comma = comma ? strchr(comma + 1, ',') : NULL;
	uint64_t since_boot = comma ? strtoull(comma + 1, NULL, 10) : 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - clock_now() +
	       since_boot;
}

static void add_records(char *records, const char *word, struct history *history)
{
	char *line;

	while ((line = strsep(&records, "\n"))) {
		const char *text = *line == ' ' ? NULL : kmsg_text(line);

		if (text && strstr(text, word))
			history_add(history, time_of(line), "kernel", strlen("kernel"), text,
				    strlen(text));
	}
}

/* Messages that processes have written are left out. */
static void read_kernel(int root, const char *word, uint64_t deadline, struct history *history)
{
	char records[KMSG_RECORDS];

	_cleanup_close_ int fd = kmsg_open(root);
	if (fd < 0 && errno != ENOENT)
		history->unseen = geteuid() == 0 ? "kernel messages cannot be read"
						 : "kernel messages cannot be read (must be root)";
	while (clock_now() < deadline && kmsg_read(fd, records))
		add_records(records, word, history);
}

void history_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *ret)
{
	*ret = (struct history){ 0 };
	if (!journal_read(env, filter, deadline, ret))
		read_kernel(env->root, filter->uuid ? filter->uuid : filter->parent, deadline, ret);
}

void history_free(struct history *history)
{
	for (size_t i = 0; i < history->n; i++)
		free_entry(&history->v[i]);
	*history = (struct history){ 0 };
}
