/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/kmsg.h"

int kmsg_open(int root)
{
	return openat(root, "dev/kmsg", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void kmsg_mark(int fd)
{
	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_END); /* where it cannot seek, all of it is read */
}

/* The text of a record, "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT", that may be a driver's reason; else
 * NULL. Priorities above 7 have a facility: what processes wrote. That a device joins or leaves a
 * group is logged with each one that comes or goes. */
static const char *text_of(const char *line)
{
	const char *text = strchr(line, ';');

	if (!text || line[0] < '0' || line[0] > '7' || line[1] != ',' ||
	    strstr(text, " iommu group "))
		return NULL;
	return text + 1;
}

/* " DEVICE=+SUBSYSTEM:NAME" is below what a driver says about a device. */
static bool is_device(const char *line, const char *name)
{
	static const char key[] = " DEVICE=+";

	if (strncmp(line, key, strlen(key)) != 0)
		return false;
	const char *colon = strchr(line, ':');
	return colon && strcmp(colon + 1, name) == 0;
}

static bool is_word(const char *text, const char *uuid)
{
	size_t n = strlen(uuid);

	return strncmp(text, uuid, n) == 0 && (text[n] == '\0' || strchr(" :,", text[n]));
}

/* Drivers that do not log by device name it first, or after their own name. Further on, the text
 * may be a user's: the kernel logs the name of a process's file when that crashes. */
static bool names(const char *text, const char *uuid)
{
	const char *space = strchr(text, ' ');

	return is_word(text, uuid) || (space && is_word(space + 1, uuid));
}

/* The kernel gives one record a read, a plain file many. */
static void find_last(char *records, const char *uuid, const char *parent, char last[KMSG_SIZE])
{
	const char *text = NULL;
	char *line;

	while ((line = strsep(&records, "\n"))) {
		bool more = *line == ' ';

		if (!more)
			text = text_of(line);
		if (text &&
		    (more ? is_device(line, uuid) || is_device(line, parent) : names(text, uuid)))
			snprintf(last, KMSG_SIZE, "%s", text);
	}
}

void kmsg_last(int fd, const char *uuid, const char *parent, char ret[KMSG_SIZE])
{
	char records[8192 + 1]; /* the kernel's own limit is 8 KiB */

	*ret = '\0';
	while (fd >= 0) {
		ssize_t n = read(fd, records, sizeof(records) - 1);
		if (n < 0 && (errno == EINTR || errno == EPIPE)) /* EPIPE: some were overwritten */
			continue;
		if (n <= 0)
			return;
		records[n] = '\0';
		find_last(records, uuid, parent, ret);
	}
}
