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

#include "base/mem.h"
#include "host/journal.h"

static const char *text(const char *name)
{
	return name ? name : "";
}

#ifdef NO_JOURNAL
/* syslog has no fields, so each line has to name the device. */
static void send_entry(const struct mdev *dev, const char *action, int priority,
		       const char *message)
{
	openlog("mdevctl", 0, LOG_DAEMON);
	if (strstr(message, dev->uuid))
		syslog(priority, "%s", message);
	else
		syslog(priority, "%s of %s: %s", action, dev->uuid, message);
}
#else
static void send_entry(const struct mdev *dev, const char *action, int priority,
		       const char *message)
{
	/* Errors cannot be reported. Without a journal, this does nothing. */
	(void)sd_journal_send("MESSAGE=%s", message, "PRIORITY=%d", priority,
			      "SYSLOG_IDENTIFIER=mdevctl", "MDEV_UUID=%s", dev->uuid,
			      "MDEV_PARENT=%s", text(dev->parent), "MDEV_TYPE=%s", text(dev->type),
			      "MDEV_ACTION=%s", action, NULL);
}
#endif

/* Sends the output of callouts, and then the message. */
static void send_all(const struct mdev *dev, const char *action, int priority, const char *message,
		     const char *said)
{
	for (const char *line = said; line && *line;) {
		size_t n = strcspn(line, "\n");
		_cleanup_free_ char *words = mem_text_n(line, n);
		if (n > 0)
			send_entry(dev, action, LOG_NOTICE, words);
		line += n + (line[n] == '\n');
	}
	send_entry(dev, action, priority, message);
}

void journal_change(const struct env *env, const struct mdev *dev, const char *action,
		    const struct error *err, const char *said)
{
	if (!env_is_host(env))
		return;
	_cleanup_free_ char *message =
		err ? mem_printf("Failed to %s %s%s%s: %s", action, dev->uuid,
				 dev->parent ? " on " : "", text(dev->parent), err->text)
		    : mem_printf("Done: %s %s, type %s on %s", action, dev->uuid, text(dev->type),
				 dev->parent);
	send_all(dev, action, err ? LOG_ERR : LOG_INFO, message, said);
}

void journal_warning(const struct env *env, const struct mdev *dev, const char *action,
		     const char *message, const char *said)
{
	if (env_is_host(env))
		send_all(dev, action, LOG_WARNING, message, said);
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
