/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/journal.h"

#define JOURNAL "/run/systemd/journal/socket"

/* Longer values are truncated: an entry has to fit in a datagram. */
#define VALUE_LIMIT ((size_t)64 * 1024)

/* Sends a datagram to a socket of systemd; the name of an abstract socket starts with "@". Returns
 * whether it was accepted. */
static bool send_datagram(const char *path, const char *data, size_t len)
{
	static int fd = -1; /* for all datagrams; never closed */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if ((*path != '/' && *path != '@') || n >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, n);
	if (*path == '@')
		address.sun_path[0] = '\0';
	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && sendto(fd, data, len, MSG_NOSIGNAL, (const struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) >= 0;
}

/* A field with the length of its value, which may contain newlines. */
static void add_field(FILE *entry, const char *name, const char *value)
{
	size_t len = strnlen(value, VALUE_LIMIT);
	uint64_t size = htole64(len);

	fprintf(entry, "%s\n", name);
	fwrite(&size, sizeof(size), 1, entry);
	fwrite(value, len, 1, entry);
	fputc('\n', entry);
}

/* Returns false if there is no journal. */
static bool send_to_journal(const struct mdev *dev, const char *action, int priority,
			    const char *message)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	FILE *entry = mem_stream(&text, &len);
	fprintf(entry, "PRIORITY=%d\nSYSLOG_IDENTIFIER=mdevctl\n", priority);
	add_field(entry, "MESSAGE", message);
	add_field(entry, "MDEV_UUID", dev->uuid);
	add_field(entry, "MDEV_PARENT", dev->parent);
	add_field(entry, "MDEV_TYPE", dev->type);
	add_field(entry, "MDEV_ACTION", action);
	mem_stream_end(entry);
	return send_datagram(JOURNAL, text, len);
}

/* Errors cannot be reported. syslog has no fields, so each line has to name the device. */
static void send_entry(const struct mdev *dev, const char *action, int priority,
		       const char *message)
{
	if (send_to_journal(dev, action, priority, message))
		return;
	openlog("mdevctl", 0, LOG_DAEMON);
	if (strstr(message, dev->uuid))
		syslog(priority, "%s", message);
	else
		syslog(priority, "%s of %s: %s", action, dev->uuid, message);
}

void journal_change(const struct env *env, const struct mdev *dev, const char *action,
		    const struct error *err, const char *said)
{
	if (!env_is_host(env))
		return;
	for (const char *line = said; line && *line;) {
		size_t n = strcspn(line, "\n");
		_cleanup_free_ char *text = mem_text_n(line, n);
		if (n > 0)
			send_entry(dev, action, LOG_NOTICE, text);
		line += n + (line[n] == '\n');
	}
	_cleanup_free_ char *message =
		err ? mem_printf("Failed to %s %s%s%s: %s", action, dev->uuid,
				 *dev->parent ? " on " : "", dev->parent, err->text)
		    : mem_printf("Done: %s %s, type %s on %s", action, dev->uuid, dev->type,
				 dev->parent);
	send_entry(dev, action, err ? LOG_ERR : LOG_INFO, message);
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
	const char *path = secure_getenv("NOTIFY_SOCKET");
	va_list args;

	if (!path) /* not run by systemd */
		return;
	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	_cleanup_free_ char *state = mem_printf("STATUS=%s", text);
	(void)send_datagram(path, state, strlen(state));
}
