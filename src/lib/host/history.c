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
static char *one_line(const char *text, size_t longest)
{
	_cleanup_free_ char *line = mem_text_n(text, longest);

	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\t' || *p == '\r')
			*p = ' ';
	for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--)
		line[n - 1] = '\0';
	text_clean(line);
	return mem_printf("%s%s", line, strlen(text) > longest ? "..." : "");
}

static void free_entry(struct history_entry *entry)
{
	free(entry->source);
	free(entry->text);
}

void history_add(struct history *history, uint64_t time, uint64_t number, const char *source,
		 const char *text)
{
	struct history_entry *v = history->v;
	size_t i = history->n;

	for (;
	     i > 0 && (v[i - 1].time > time || (v[i - 1].time == time && v[i - 1].number > number));
	     i--)
		v[i] = v[i - 1];
	v[i] = (struct history_entry){ .time = time,
				       .number = number,
				       .source = one_line(source, LONGEST_SOURCE),
				       .text = one_line(text, LONGEST_TEXT) };
	if (history->n < HISTORY_ENTRIES) {
		history->n++;
		return;
	}
	free_entry(&v[0]);
	memmove(&v[0], &v[1], HISTORY_ENTRIES * sizeof(v[0]));
}

/* Returns the time at which the host was booted, in microseconds since 1970. */
static uint64_t boot_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - clock_now();
}

/* The second and third fields of a record are its number and its time since boot. */
static void add_records(char *records, const char *word, uint64_t boot, struct history *history)
{
	char *line, *end;

	while ((line = strsep(&records, "\n"))) {
		const char *text = *line == ' ' ? NULL : kmsg_text(line);

		if (!text || !strstr(text, word))
			continue;
		uint64_t number = strtoull(strchr(line, ',') + 1, &end, 10);
		uint64_t time = *end == ',' ? strtoull(end + 1, NULL, 10) : 0;
		history_add(history, boot + time, number, "kernel", text);
	}
}

void history_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *ret)
{
	char records[KMSG_RECORDS];
	uint64_t boot = boot_time();

	*ret = (struct history){ 0 };
	if (journal_read(env, filter, deadline, ret))
		return;
	/* Messages that processes have written are left out: see kmsg_text(). */
	_cleanup_close_ int fd = kmsg_open(env->root);
	if (fd < 0 && errno != ENOENT)
		ret->unseen = geteuid() == 0 ? "kernel messages cannot be read"
					     : "kernel messages cannot be read (must be root)";
	while (clock_now() < deadline && kmsg_read(fd, records))
		add_records(records, filter->uuid ? filter->uuid : filter->parent, boot, ret);
}

void history_free(struct history *history)
{
	for (size_t i = 0; i < history->n; i++)
		free_entry(&history->v[i]);
	*history = (struct history){ 0 };
}
