/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
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

/* One record is "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT\n", lines with more about it behind that. */
static char *text_of(char *record)
{
	char *text = strchr(record, ';');

	if (!text)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text + 1;
}

char *kmsg_last(int fd, const char *name, const char *other_name)
{
	char record[8192 + 1]; /* the kernel's own limit is 8 KiB */
	char *last = NULL;

	if (fd < 0)
		return NULL;
	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && (errno == EINTR || errno == EPIPE)) /* EPIPE: some were overwritten */
			continue;
		if (n <= 0)
			return last;
		record[n] = '\0';
		const char *text = text_of(record);
		if (text && (strstr(text, name) || strstr(text, other_name))) {
			free(last);
			last = mem_text(text);
		}
	}
}
