/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#ifndef NO_JOURNAL
/* The source location of an entry is of no use, and each field costs time in journald. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#endif

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "host/journal.h"
#include "host/kmsg.h"

static const char *or_empty(const char *name)
{
	return name ? name : "";
}

#ifdef NO_JOURNAL
/* syslog has no fields, so each line has to name the device. */
static void send_entry(const struct mdev *dev, const char *action, enum status status, int priority,
		       const char *message)
{
	(void)status;
	openlog("mdevctl", 0, LOG_DAEMON);
	if (strstr(message, dev->uuid))
		syslog(priority, "%s", message);
	else
		syslog(priority, "%s of %s: %s", action, dev->uuid, message);
}

void journal_status(const char *format, ...)
{
	(void)format;
}

bool journal_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *history)
{
	(void)env;
	(void)filter;
	(void)deadline;
	(void)history;
	return false;
}
#else
/* The kinds of failures, as explained by units/mdev-tools.catalog (journalctl -x). */
static const char *const message_ids[] = {
	[STATUS_FAILED] = "62ac633ab0b146249afaecce3207d53c",
	[STATUS_NOT_FOUND] = "86bca701b3124f6eb88a3c58261c6f36",
	[STATUS_EXISTS] = "a3e66bd5bde442908b4c723c78b63b17",
	[STATUS_NO_INSTANCES] = "dd5a93e3ad534c9fa4fb3b83d4e44fca",
	[STATUS_IN_USE] = "86d307c1b7c34ecda88b1e4252a6bfd6",
	[STATUS_REFUSED] = "30494ed00e894ccaa6de0835230c684b",
	[STATUS_INVALID] = "2c38d6344eb54c96b612ec174fa658eb",
	[STATUS_TIMED_OUT] = "aa3c1591fb884dc08d99b8a78e6c3c55",
};

static void send_entry(const struct mdev *dev, const char *action, enum status status, int priority,
		       const char *message)
{
	bool known = status < sizeof(message_ids) / sizeof(message_ids[0]) && message_ids[status];
	_cleanup_free_ char *id = known ? mem_printf("MESSAGE_ID=%s", message_ids[status]) : NULL;

	/* Errors cannot be reported. Without a journal, this does nothing. */
	(void)sd_journal_send("MESSAGE=%s", message, "PRIORITY=%d", priority,
			      "SYSLOG_IDENTIFIER=mdevctl", "MDEV_UUID=%s", dev->uuid,
			      "MDEV_PARENT=%s", or_empty(dev->parent), "MDEV_TYPE=%s",
			      or_empty(dev->type), "MDEV_ACTION=%s", action, id, NULL);
}

void journal_status(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	(void)sd_notifyf(0, "STATUS=%s", text); /* ignored if not run by systemd */
}

/* Limits how many entries are read, which takes a few microseconds each. */
#define ENTRIES_READ 100000

static void match(sd_journal *journal, const char *name, const char *value)
{
	_cleanup_free_ char *text = mem_printf("%s=%s", name, value);

	(void)sd_journal_add_match(journal, text, 0); /* fails only without memory */
}

/* Selects entries since the host was booted, as far as that is known. */
static void match_boot(const struct env *env, sd_journal *journal)
{
	char id[64], *end = id;

	sd_journal_flush_matches(journal);
	if (file_read_attr(env->root, "proc/sys/kernel/random/boot_id", id, sizeof(id)) < 0)
		return;
	for (const char *p = id; *p; p++)
		if (*p != '-')
			*end++ = *p;
	*end = '\0';
	match(journal, "_BOOT_ID", id);
	(void)sd_journal_add_conjunction(journal);
}

static void match_others(sd_journal *journal)
{
	static const char *const daemons[] = { "nvidia-vgpu-mgr", "nvidia-vgpud", "libvirtd",
					       "virtnodedevd", "virtqemud" };

	match(journal, "_UID", "0");
	for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		match(journal, "_COMM", daemons[i]);
	(void)sd_journal_add_disjunction(journal);
	match(journal, "_TRANSPORT", "kernel");
}

/* Returns the value of a field (owned by the caller); NULL = the entry has none. */
static char *field(sd_journal *journal, const char *name)
{
	const void *data;
	size_t len, skip = strlen(name) + 1;

	if (sd_journal_get_data(journal, name, &data, &len) < 0 || len <= skip)
		return NULL;
	return mem_text_n((const char *)data + skip, len - skip);
}

/* Returns the number of an entry in the journal. sd_journal_get_seqnum() is new in systemd 254. */
static uint64_t number_of(sd_journal *journal)
{
	_cleanup_free_ char *cursor = NULL;
	const char *number =
		sd_journal_get_cursor(journal, &cursor) < 0 ? NULL : strstr(cursor, ";i=");

	return number ? strtoull(number + strlen(";i="), NULL, 16) : 0;
}

static void add_entry(sd_journal *journal, uint64_t time, const char *text, struct history *history)
{
	_cleanup_free_ char *identifier = field(journal, "SYSLOG_IDENTIFIER");
	_cleanup_free_ char *comm = field(journal, "_COMM");
	_cleanup_free_ char *pid = field(journal, "_PID");
	const char *name = identifier ? identifier : comm ? comm : "unknown";
	_cleanup_free_ char *source = pid ? mem_printf("%s[%s]", name, pid) : mem_text(name);

	history_add(history, time, number_of(journal), source, text);
}

/* Adds the entries that match and contain the word (NULL = all), newest first. Returns whether
 * there was any. */
static bool add_matching(sd_journal *journal, const char *word, uint64_t deadline,
			 struct history *history)
{
	bool any = false;
	uint64_t time;

	if (sd_journal_seek_tail(journal) < 0)
		return false;
	for (unsigned n = 0; n < ENTRIES_READ; n++) {
		if (sd_journal_previous(journal) <= 0 ||
		    sd_journal_get_realtime_usec(journal, &time) < 0 ||
		    (history->n == HISTORY_ENTRIES && time < history->v[0].time))
			return any;
		any = true;
		_cleanup_free_ char *text = field(journal, "MESSAGE");
		if (text && (!word || (strstr(text, word) && !kmsg_is_routine(text))))
			add_entry(journal, time, text, history);
		if (clock_now() >= deadline)
			break;
	}
	history->unseen = "not all of the journal was read, as it is too large";
	return true;
}

bool journal_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *history)
{
	__attribute__((cleanup(sd_journal_closep))) sd_journal *journal = NULL;
	const char *name = filter->uuid ? filter->uuid : filter->parent;

	int r = env_is_host(env)
			? sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM)
			: sd_journal_open_directory(&journal, env->root_path, SD_JOURNAL_OS_ROOT);
	if (r < 0 || sd_journal_seek_tail(journal) < 0 || sd_journal_previous(journal) <= 0) {
		history->unseen = geteuid() == 0 ? "there is no journal that can be read"
						 : "the journal cannot be read (must be root)";
		return false;
	}
	match_boot(env, journal);
	/* The fields that start with "_" are set by journald, so no other user can forge these. */
	match(journal, "_UID", "0");
	match(journal, filter->uuid ? "MDEV_UUID" : "MDEV_PARENT", name);
	(void)add_matching(journal, NULL, deadline, history);
	match_boot(env, journal);
	match_others(journal);
	return add_matching(journal, name, deadline, history);
}
#endif

/* Sends the output of callouts, and then the message; status: that of a failure. */
static void send_all(const struct mdev *dev, const char *action, enum status status, int priority,
		     const char *message, const char *output)
{
	for (const char *line = output; line && *line;) {
		size_t n = strcspn(line, "\n");
		_cleanup_free_ char *words = mem_text_n(line, n);
		if (n > 0)
			send_entry(dev, action, STATUS_OK, LOG_NOTICE, words);
		line += n + (line[n] == '\n');
	}
	send_entry(dev, action, status, priority, message);
}

void journal_change(const struct env *env, const struct mdev *dev, const char *action,
		    const struct error *err, const char *output)
{
	if (!env_is_host(env))
		return;
	_cleanup_free_ char *message =
		err ? mem_printf("Failed to %s %s%s%s: %s", action, dev->uuid,
				 dev->parent ? " on " : "", or_empty(dev->parent), err->text)
		    : mem_printf("Done: %s %s, type %s on %s", action, dev->uuid,
				 or_empty(dev->type), dev->parent);
	send_all(dev, action, err ? err->status : STATUS_OK, err ? LOG_ERR : LOG_INFO, message,
		 output);
}

void journal_warning(const struct env *env, const struct mdev *dev, const char *action,
		     const char *message, const char *output)
{
	if (env_is_host(env))
		send_all(dev, action, STATUS_OK, LOG_WARNING, message, output);
}

bool journal_is_stderr(const struct env *env)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || !env_is_host(env) || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, here) == 0;
}
