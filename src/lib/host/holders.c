/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/holders.h"
#include "host/vfio.h"

/* The name of the device of a group in /proc/PID/fd; it does not show which device. */
#define DEVICE_FD "anon_inode:[vfio-device]"

/* A device node that a process may have open. */
struct node {
	char *path; /* owned: including the root, as shown by the kernel */
	struct stat status;
	struct holder *holder; /* borrowed */
};

/* A pass over /proc. */
struct walk {
	int proc;	    /* borrowed */
	struct node *nodes; /* owned; sorted by path */
	size_t n;
	struct holder *holders; /* borrowed */
	size_t n_holders;
	size_t prefix; /* length of the path of the root and "/dev/vfio/" */
	bool saw_init; /* process 1 is visible */
	bool hidden;   /* a process is not */
	bool untold;   /* a process has a device open that its file descriptor does not identify */
};

static void add_node(const struct env *env, struct walk *walk, struct holder *holder,
		     const char *path)
{
	struct node node = { .path = mem_printf("%s%s", env->root_path, path), .holder = holder };

	if (file_status(AT_FDCWD, node.path, &node.status) == 0) {
		walk->nodes[walk->n++] = node;
		return;
	}
	free(node.path);
	holder->in_use = ANSWER_UNKNOWN; /* it is not in this /dev, but may be in another */
}

static void add_nodes(const struct env *env, struct walk *walk, struct holder *holder)
{
	char name[NAME_MAX + 1];

	holder->in_use = ANSWER_NO;
	if (vfio_group(holder->dirfd, holder->path, name)) {
		holder->group = mem_printf("/dev/vfio/%s", name);
		add_node(env, walk, holder, holder->group);
	}
	if (vfio_device(holder->dirfd, holder->path, name)) {
		holder->node = mem_printf("/dev/vfio/devices/%s", name);
		add_node(env, walk, holder, holder->node);
	}
}

static int by_path(const void *left, const void *right)
{
	const struct node *a = left, *b = right;

	return strcmp(a->path, b->path);
}

bool holders_is_name(int proc, const char *pid, const char *fd)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "%.20s/fdinfo/%.20s", pid, fd);
	if (file_read_attr(proc, path, text, sizeof(text)) < 0)
		return false;
	const char *flags = strstr(text, "flags:");
	return flags && strtoul(flags + strlen("flags:"), NULL, 8) & O_PATH;
}

static char *read_name(int proc, const char *pid)
{
	char path[64], comm[64];

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	if (file_read_attr(proc, path, comm, sizeof(comm)) < 0)
		return NULL;
	text_clean(comm);
	return mem_text(comm);
}

/* Copies an option of QEMU, in which commas are doubled. Returns the text that follows it, or NULL
 * at the end. */
static const char *copy_option(const char *text, char ret[NAME_MAX + 1])
{
	size_t n = 0;

	for (; *text && (*text != ',' || *++text == ','); text++)
		if (n < NAME_MAX)
			ret[n++] = *text;
	ret[n] = '\0';
	return *text ? text : NULL;
}

/* Returns the name of the guest in the argument of -name: NAME,... or ...,guest=NAME,... */
static char *parse_guest(const char *text)
{
	char option[NAME_MAX + 1] = "";

	for (bool first = true; text; first = false) {
		text = copy_option(text, option);
		bool named = strncmp(option, "guest=", 6) == 0;
		char *name = named ? option + 6 : option;

		if (!*name || !(named || (first && !strchr(option, '='))))
			continue;
		text_clean(name);
		return mem_text(name);
	}
	return NULL;
}

static bool is_qemu(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;

	return strncmp(name, "qemu", 4) == 0 || strcmp(name, "kvm") == 0;
}

/* Returns the name of the guest that a process runs; the arguments are NUL-terminated. */
static char *read_guest(int proc, const char *pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "%.20s/cmdline", pid);
	if (file_read(proc, path, &text, &len) < 0 || len == 0 || !is_qemu(text))
		return NULL;
	for (const char *p = text; p + strlen(p) + 1 < text + len; p += strlen(p) + 1)
		if (strcmp(p, "-name") == 0 || strcmp(p, "--name") == 0)
			return parse_guest(p + strlen(p) + 1);
	return NULL;
}

static void found(const struct walk *walk, struct holder *holder, const char *pid)
{
	if (holder->pid) /* one is enough */
		return;
	holder->in_use = ANSWER_YES;
	holder->pid = (int)strtol(pid, NULL, 10);
	holder->command = read_name(walk->proc, pid);
	holder->guest = read_guest(walk->proc, pid);
}

/* Several devices may share a group: its nodes are adjacent. */
static void match_node(const struct walk *walk, int dir, const char *pid, const char *fd,
		       char *target)
{
	struct node key = { .path = target };
	struct stat status;

	const struct node *node = bsearch(&key, walk->nodes, walk->n, sizeof(key), by_path);
	if (!node || file_status(dir, fd, &status) < 0 || !file_is_same(&status, &node->status) ||
	    holders_is_name(walk->proc, pid, fd))
		return;
	while (node > walk->nodes && by_path(node - 1, node) == 0)
		node--;
	for (; node < walk->nodes + walk->n && strcmp(node->path, target) == 0; node++)
		found(walk, node->holder, pid);
}

/* Handles a device whose group has been closed: since Linux 6.17, fdinfo shows which device it is.
 */
static void match_device(struct walk *walk, const char *pid, const char *fd)
{
	static const char key[] = "vfio-device-syspath:";
	char path[64], text[PATH_MAX];

	snprintf(path, sizeof(path), "%.20s/fdinfo/%.20s", pid, fd);
	const char *line =
		file_read_attr(walk->proc, path, text, sizeof(text)) < 0 ? NULL : strstr(text, key);
	if (!line) {
		walk->untold = true;
		return;
	}
	line += strlen(key);
	const char *end = line + strcspn(line, "\n"), *name = end;
	while (name > line && name[-1] != '/')
		name--;
	for (size_t i = 0; i < walk->n_holders; i++) {
		const char *device = walk->holders[i].path, *slash = strrchr(device, '/');

		if (slash)
			device = slash + 1;

		if (strlen(device) == (size_t)(end - name) &&
		    strncmp(device, name, (size_t)(end - name)) == 0)
			found(walk, &walk->holders[i], pid);
	}
}

/* Checks the open files of a process; dir is its /proc/PID/fd. */
static void look_at(struct walk *walk, DIR *dir, const char *pid)
{
	char device[32] = "", target[PATH_MAX];
	bool has_node = false;
	const struct dirent *entry;

	while (errno = 0, (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, DEVICE_FD) == 0)
			snprintf(device, sizeof(device), "%.31s", entry->d_name);
		if ((size_t)n <= walk->prefix || strcmp(target + walk->prefix, "vfio") == 0 ||
		    strncmp(target + walk->prefix - strlen("/dev/vfio/"), "/dev/vfio/",
			    strlen("/dev/vfio/")) != 0)
			continue;
		has_node = true;
		match_node(walk, dirfd(dir), pid, entry->d_name, target);
	}
	walk->hidden = walk->hidden || (errno != 0 && errno != ENOENT && errno != ESRCH);
	if (*device && !has_node)
		match_device(walk, pid, device);
}

static void visit(struct walk *walk, const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	int fd = openat(walk->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		walk->hidden = walk->hidden || (errno != ENOENT && errno != ESRCH); /* else ended */
		return;
	}
	if (strcmp(pid, "1") == 0)
		walk->saw_init = true;
	look_at(walk, dir, pid);
	closedir(dir);
}

/* Whether all processes of the host are visible: in a container, there are others, and /proc may
 * hide those of other users (hidepid). */
static bool saw_all(const struct walk *walk)
{
	static const char first[] = "pid:[4026531836]"; /* PROC_PID_INIT_INO in the kernel */
	char name[64];

	ssize_t n = readlinkat(walk->proc, "self/ns/pid", name, sizeof(name));
	return walk->saw_init && !walk->hidden && !walk->untold && n == (ssize_t)strlen(first) &&
	       memcmp(name, first, (size_t)n) == 0;
}

static void visit_all(const struct env *env, struct walk *walk, bool walk_proc)
{
	_cleanup_names_ struct file_names pids = { 0 };
	bool all = false;

	_cleanup_close_ int proc =
		walk_proc ? openat(env->root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	walk->proc = proc;
	if (proc >= 0 && file_scan(proc, ".", &pids) == 0) {
		for (int i = 0; i < pids.n; i++)
			if (*pids.v[i]->d_name >= '1' && *pids.v[i]->d_name <= '9')
				visit(walk, pids.v[i]->d_name);
		all = saw_all(walk);
	}
	for (size_t i = 0; i < walk->n && !all; i++)
		if (walk->nodes[i].holder->in_use == ANSWER_NO)
			walk->nodes[i].holder->in_use = ANSWER_UNKNOWN;
}

void holders_find(const struct env *env, struct holder *holders, size_t n, bool walk_proc)
{
	struct walk walk = { .proc = -1,
			     .nodes = mem_grow(NULL, 2 * n + 1, sizeof(struct node)),
			     .holders = holders,
			     .n_holders = n,
			     .prefix = strlen(env->root_path) + strlen("/dev/vfio/") };

	for (size_t i = 0; i < n; i++)
		add_nodes(env, &walk, &holders[i]);
	if (walk.n > 0) {
		qsort(walk.nodes, walk.n, sizeof(*walk.nodes), by_path);
		visit_all(env, &walk, walk_proc);
	}
	for (size_t i = 0; i < walk.n; i++)
		free(walk.nodes[i].path);
	free(walk.nodes);
}

void holders_free(struct holder *holders, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(holders[i].group);
		free(holders[i].node);
		free(holders[i].command);
		free(holders[i].guest);
	}
}
