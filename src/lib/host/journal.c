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
#endif

/* Sends the output of callouts, and then the message; status: that of a failure. */
static void send_all(const struct mdev *dev, const char *action, enum status status, int priority,
		     const char *message, const char *said)
{
	for (const char *line = said; line && *line;) {
		size_t n = strcspn(line, "\n");
		_cleanup_free_ char *words = mem_text_n(line, n);
		if (n > 0)
			send_entry(dev, action, STATUS_OK, LOG_NOTICE, words);
		line += n + (line[n] == '\n');
	}
	send_entry(dev, action, status, priority, message);
}

void journal_change(const struct env *env, const struct mdev *dev, const char *action,
		    const struct error *err, const char *said)
{
	if (!env_is_host(env))
		return;
	_cleanup_free_ char *message =
		err ? mem_printf("Failed to %s %s%s%s: %s", action, dev->uuid,
				 dev->parent ? " on " : "", or_empty(dev->parent), err->text)
		    : mem_printf("Done: %s %s, type %s on %s", action, dev->uuid,
				 or_empty(dev->type), dev->parent);
	send_all(dev, action, err ? err->status : STATUS_OK, err ? LOG_ERR : LOG_INFO, message,
		 said);
}

void journal_warning(const struct env *env, const struct mdev *dev, const char *action,
		     const char *message, const char *said)
{
	if (env_is_host(env))
		send_all(dev, action, STATUS_OK, LOG_WARNING, message, said);
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

void journal_status(const char *format, ...)
{
#ifdef NO_JOURNAL
	(void)format;
#else
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	(void)sd_notifyf(0, "STATUS=%s", text); /* ignored if not run by systemd */
#endif
}

#ifdef NO_JOURNAL
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
/* Limits how many entries are read, which takes a few microseconds each. */
#define ENTRIES_READ 100000

static void close_journal(sd_journal **journal)
{
	if (*journal)
		sd_journal_close(*journal);
}

__attribute__((format(printf, 2, 3))) static void match(sd_journal *journal, const char *format,
							...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
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
	match(journal, "_BOOT_ID=%s", id);
	(void)sd_journal_add_conjunction(journal);
}

/* The fields that start with "_" are set by journald, so that no other user can forge these. */
static void match_own(sd_journal *journal, const struct filter *filter)
{
	match(journal, "_UID=0");
	if (filter->uuid)
		match(journal, "MDEV_UUID=%s", filter->uuid);
	else
		match(journal, "MDEV_PARENT=%s", filter->parent);
}

static void match_others(sd_journal *journal)
{
	static const char *const daemons[] = { "nvidia-vgpu-mgr", "nvidia-vgpud", "libvirtd",
					       "virtnodedevd", "virtqemud" };

	match(journal, "_UID=0");
	for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		match(journal, "_COMM=%s", daemons[i]);
	(void)sd_journal_add_disjunction(journal);
	match(journal, "_TRANSPORT=kernel");
}

/* Returns the value of a field; *ret_len = 0: the entry has none. */
static const char *field(sd_journal *journal, const char *name, size_t *ret_len)
{
	const void *data;
	size_t len, skip = strlen(name) + 1;

	*ret_len = 0;
	if (sd_journal_get_data(journal, name, &data, &len) < 0 || len < skip)
		return "";
	*ret_len = len - skip;
	return (const char *)data + skip;
}

static void add_entry(sd_journal *journal, uint64_t time, const char *text, size_t len,
		      struct history *history)
{
	size_t name_len, pid_len;
	const char *name = field(journal, "SYSLOG_IDENTIFIER", &name_len);
	if (name_len == 0)
		name = field(journal, "_COMM", &name_len);
	char *source = name_len > 0 ? mem_text_n(name, name_len) : mem_text("unknown");
	const char *pid = field(journal, "_PID", &pid_len);

	if (pid_len > 0) {
		_cleanup_free_ char *number = mem_text_n(pid, pid_len);
		char *both = mem_printf("%s[%s]", source, number);
		free(source);
		source = both;
	}
	history_add(history, time, source, strlen(source), text, len);
	free(source);
}

static bool is_about(const char *word, const char *text, size_t len)
{
	return memmem(text, len, word, strlen(word)) && !kmsg_is_routine(text, len);
}

/* Adds the entries that match and contain the word (NULL = all), newest first. Returns whether
 * there was any. */
static bool add_matching(sd_journal *journal, const char *word, uint64_t deadline,
			 struct history *history)
{
	bool any = false;
	uint64_t time;
	size_t len;

	if (sd_journal_seek_tail(journal) < 0)
		return false;
	for (unsigned n = 0; n < ENTRIES_READ; n++) {
		if (sd_journal_previous(journal) <= 0 ||
		    sd_journal_get_realtime_usec(journal, &time) < 0 ||
		    !history_wants(history, time))
			return any;
		any = true;
		const char *text = field(journal, "MESSAGE", &len);
		if (len > 0 && (!word || is_about(word, text, len)))
			add_entry(journal, time, text, len, history);
		if (clock_now() >= deadline)
			break;
	}
	history->unseen = "not all of the journal was read, as it is too large";
	return true;
}

bool journal_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *history)
{
	__attribute__((cleanup(close_journal))) sd_journal *journal = NULL;

	int r = env_is_host(env)
			? sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM)
			: sd_journal_open_directory(&journal, env->root_path, SD_JOURNAL_OS_ROOT);
	if (r < 0 || sd_journal_seek_tail(journal) < 0 || sd_journal_previous(journal) <= 0) {
		history->unseen = geteuid() == 0 ? "there is no journal that can be read"
						 : "the journal cannot be read (must be root)";
		return false;
	}
	match_boot(env, journal);
	match_own(journal, filter);
	(void)add_matching(journal, NULL, deadline, history);
	match_boot(env, journal);
	match_others(journal);
	return add_matching(journal, filter->uuid ? filter->uuid : filter->parent, deadline,
			    history);
}
#endif
