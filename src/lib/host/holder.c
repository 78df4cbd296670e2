/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/holder.h"
#include "host/vfio.h"

/* The same on all architectures; older C libraries do not define them. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Limits for a pass over /proc in seconds of our own processor time: any user can open millions of
 * files, and keep all processors busy as well. */
#define WALK_LIMIT 10
#define WALK_LEAST 1

#define SECOND ((uint64_t)1000000)

#define NODES "/dev/vfio/"
/* The name in /proc/PID/fd of a device that was opened through its group. */
#define DEVICE_FD "anon_inode:[vfio-device]"

/* A device node that a process may have open. Its name alone is not sufficient: any user can create
 * a file with the same name in their own mount namespace. */
struct node {
	char *path; /* owned: including the root, as shown by the kernel */
	struct stat status;
	struct holder *holder; /* borrowed */
};

/* A pass over /proc. */
struct walk {
	const struct env *env; /* borrowed */
	int proc;	       /* owned: /proc, or -errno */
	uint64_t end;	       /* in the time of clock_used() */
	struct node *nodes;    /* owned; sorted by path */
	size_t n;
	struct holder *holders; /* borrowed */
	size_t n_holders;
	pid_t callers[32]; /* this process and its ancestors; none for reports */
	size_t n_callers;
	bool container; /* a caller has a container, an iommufd or a device open */
	bool saw_init;	/* process 1 is visible */
	bool denied;	/* the files of a process may not be listed */
	char *unknown; /* owned: a process that has a device open, unknown which one; NULL = none */
	char *unseen;  /* owned: why there may be users that were not found; NULL = all were */
	bool failed;   /* ... due to an error, which may be gone the next time */
};

static void close_walk(struct walk *walk)
{
	for (size_t i = 0; i < walk->n; i++)
		free(walk->nodes[i].path);
	free(walk->nodes);
	free(walk->unknown);
	free(walk->unseen);
	mem_close(&walk->proc);
}
#define _cleanup_walk_ __attribute__((cleanup(close_walk)))

/* Notes what may hide a user; error is 0 or what prevented it from being read. */
static void note_unseen(struct walk *walk, const char *what, int error)
{
	walk->failed = walk->failed || (error != 0 && error != EACCES && error != EPERM);
	if (!walk->unseen)
		walk->unseen =
			error == 0 ? mem_text(what)
				   : mem_printf("unable to read %s: %s", what, error_words(error));
}

/* Adds the node of a device of this class in sysfs. Returns its path without the root (owned by the
 * caller). */
static char *add_node(struct walk *walk, struct holder *holder, const char *class, const char *dir,
		      const char *name)
{
	char *path = mem_printf(NODES "%s%s", dir, name);
	struct node node = { .path = mem_printf("%s%s", walk->env->root_path, path),
			     .holder = holder };
	_cleanup_free_ char *sysfs = mem_printf("sys/class/%s/%s", class, name);

	int r = file_status(AT_FDCWD, node.path, &node.status);
	if (r == 0) {
		walk->nodes[walk->n++] = node;
		return path;
	}
	if (r != -ENOENT)
		note_unseen(walk, node.path, -r);
	/* It may be in another /dev, unless the kernel has just removed it. */
	if (r != -ENOENT || faccessat(walk->env->root, sysfs, F_OK, 0) == 0)
		holder->in_use = ANSWER_UNKNOWN;
	free(node.path);
	return path;
}

static int by_path(const void *left, const void *right)
{
	const struct node *a = left, *b = right;

	return strcmp(a->path, b->path);
}

static void open_walk(struct walk *ret, const struct env *env, struct holder *holders, size_t n,
		      uint64_t limit)
{
	char name[NAME_MAX + 1];

	*ret = (struct walk){ .env = env,
			      .proc = file_open_dir(env->root, "proc"),
			      .end = clock_used() + limit,
			      .nodes = mem_grow(NULL, 2 * n + 1, sizeof(struct node)),
			      .holders = holders,
			      .n_holders = n };
	for (size_t i = 0; i < n; i++) {
		struct holder *holder = &holders[i];

		holder->in_use = ANSWER_NO;
		int group = vfio_group(holder->dirfd, holder->path, name);
		if (group > 0)
			holder->group = add_node(ret, holder, "vfio", "", name);
		int device = vfio_device(holder->dirfd, holder->path, name);
		if (device > 0)
			holder->node = add_node(ret, holder, "vfio-dev", "devices/", name);
		if (group >= 0 && device >= 0)
			continue;
		holder->in_use = ANSWER_UNKNOWN;
		note_unseen(ret, "its directory in sysfs", group < 0 ? -group : -device);
	}
	if (ret->n > 1)
		qsort(ret->nodes, ret->n, sizeof(*ret->nodes), by_path);
}

/* Returns the process that precedes pid in the chain of ancestors; 0 = none. */
static pid_t parent_of(int proc, pid_t pid)
{
	char path[64], stat[PATH_MAX];

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (file_read_attr(proc, path, stat, sizeof(stat)) < 0)
		return 0;
	const char *name_end = strrchr(stat, ')'); /* PID (NAME) STATE PARENT ..., with any NAME */
	return name_end && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* PIDs are those in /proc, which may belong to another PID namespace than this process. */
static void find_callers(struct walk *walk)
{
	char self[16];
	ssize_t n = readlinkat(walk->proc, "self", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	for (pid_t pid = (pid_t)strtol(self, NULL, 10); pid > 0; pid = parent_of(walk->proc, pid)) {
		if (walk->n_callers == sizeof(walk->callers) / sizeof(walk->callers[0]))
			break;
		walk->callers[walk->n_callers++] = pid;
	}
}

static bool is_caller(const struct walk *walk, pid_t pid)
{
	for (size_t i = 0; i < walk->n_callers; i++)
		if (walk->callers[i] == pid)
			return true;
	return false;
}

/* The files of a process are read relative to its directory fd, dir, so that they are those of the
 * same process even if it ends and its PID is reused. */
static char *read_name(int dir)
{
	char comm[64];

	if (file_read_attr(dir, "../comm", comm, sizeof(comm)) < 0)
		return NULL;
	text_clean(comm);
	return mem_text(comm);
}

static char *name_process(const char *name, int pid)
{
	return name ? mem_printf("%s (PID %d)", name, pid) : mem_printf("process %d", pid);
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
	const char *name = text_base_name(program);

	return strncmp(name, "qemu", 4) == 0 || strcmp(name, "kvm") == 0;
}

/* Returns the name of the guest that a process runs; the arguments are NUL-terminated. */
static char *read_guest(int dir)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (file_read(dir, "../cmdline", &text, &len) < 0 || len == 0 || !is_qemu(text))
		return NULL;
	for (const char *p = text; p + strlen(p) + 1 < text + len; p += strlen(p) + 1)
		if (strcmp(p, "-name") == 0 || strcmp(p, "--name") == 0)
			return parse_guest(p + strlen(p) + 1);
	return NULL;
}

/* An open file of a process. */
struct open_file {
	pid_t pid;
	int dir;	/* borrowed: its /proc/PID/fd */
	const char *fd; /* borrowed: name in it */
};

/* One user is enough. A process that only has the group open is replaced by one that has the device
 * open. */
static void note_user(struct holder *holder, const struct open_file *file, bool group)
{
	if (holder->pid && (holder->group_fd < 0 || group))
		return;
	free(holder->command);
	free(holder->guest);
	holder->in_use = ANSWER_YES;
	holder->pid = file->pid;
	holder->group_fd = group ? (int)strtol(file->fd, NULL, 10) : -1;
	holder->command = read_name(file->dir);
	holder->guest = read_guest(file->dir);
}

static int read_fdinfo(const struct open_file *file, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "../fdinfo/%.20s", file->fd);
	return file_read_attr(file->dir, path, buf, size);
}

/* Whether the file was opened with O_PATH, which any user can do, and does not use it. */
static bool is_name(const struct open_file *file)
{
	char text[512];

	if (read_fdinfo(file, text, sizeof(text)) < 0)
		return false;
	const char *flags = strstr(text, "flags:");
	return flags && strtoul(flags + strlen("flags:"), NULL, 8) & O_PATH;
}

/* Several devices may share a group: its nodes are adjacent. Returns the user of one of them; NULL
 * = it is none of these nodes. */
static struct holder *match_node(struct walk *walk, const struct open_file *file, char *target,
				 bool group)
{
	struct node key = { .path = target };
	struct holder *holder = NULL;
	struct stat status;

	const struct node *node = bsearch(&key, walk->nodes, walk->n, sizeof(key), by_path);
	int r = node ? file_status(file->dir, file->fd, &status) : -ENOENT;
	if (r < 0 && r != -ENOENT && r != -EACCES) /* a file in FUSE may be closed to root */
		note_unseen(walk, "the status of an open device node", 0);
	if (r < 0 || !file_is_same(&status, &node->status) || is_name(file))
		return NULL;
	while (node > walk->nodes && by_path(node - 1, node) == 0)
		node--;
	for (; node < walk->nodes + walk->n && strcmp(node->path, target) == 0; node++) {
		holder = node->holder;
		note_user(holder, file, group);
	}
	return holder;
}

/* Handles an open device: since Linux 6.17, fdinfo shows which one it is. Returns whether it does.
 */
static bool match_device(const struct walk *walk, const struct open_file *file)
{
	static const char key[] = "vfio-device-syspath:";
	char text[PATH_MAX];

	char *path = read_fdinfo(file, text, sizeof(text)) < 0 ? NULL : strstr(text, key);
	if (!path)
		return false;
	path[strcspn(path, "\n")] = '\0';
	for (size_t i = 0; i < walk->n_holders; i++)
		if (strcmp(text_base_name(walk->holders[i].path), text_base_name(path)) == 0)
			note_user(&walk->holders[i], file, false);
	return true;
}

/* Whether this is what a process has open, or has had open, that uses a group. */
static bool is_container(const struct walk *walk, const char *target)
{
	size_t root = strlen(walk->env->root_path);

	if (strcmp(target, DEVICE_FD) == 0 || strcmp(target, "anon_inode:[iommufd]") == 0)
		return true;
	return strncmp(target, walk->env->root_path, root) == 0 &&
	       (strcmp(target + root, NODES "vfio") == 0 ||
		strcmp(target + root, "/dev/iommu") == 0);
}

/* Checks the open files of a process. Returns 0 or -errno. */
static int check_files(struct walk *walk, DIR *dir, pid_t pid)
{
	struct open_file file = { .pid = pid, .dir = dirfd(dir) };
	struct holder *own = NULL;	     /* has a group that this process has open */
	bool device = false, others = false; /* it has devices or other groups open */
	size_t prefix = strlen(walk->env->root_path) + strlen(NODES);
	char target[PATH_MAX];
	const struct dirent *entry;

	while (errno = 0, (entry = readdir(dir))) {
		file.fd = entry->d_name;
		if (*file.fd == '.')
			continue;
		ssize_t n = readlinkat(file.dir, file.fd, target, sizeof(target) - 1);
		/* It has been closed, or it is in directories that are deeper than any node. */
		if (n < 0 && (errno == ENOENT || errno == ENAMETOOLONG))
			continue;
		if (n < 0)
			break;
		target[n] = '\0';
		if (is_caller(walk, pid) && is_container(walk, target))
			walk->container = true;
		if (strcmp(target, DEVICE_FD) == 0)
			device = !match_device(walk, &file) || device;
		if ((size_t)n <= prefix ||
		    strncmp(target + prefix - strlen(NODES), NODES, strlen(NODES)) != 0)
			continue;
		bool group = target[prefix] >= '0' && target[prefix] <= '9';
		struct holder *holder = match_node(walk, &file, target, group);
		if (group && holder)
			own = holder;
		else if (group)
			others = true;
	}
	if (errno)
		return -errno;
	/* Most likely, the devices belong to the groups. */
	if (device && own && !others)
		own->group_fd = -1;
	else if (device && !others && !walk->unknown) {
		_cleanup_free_ char *command = read_name(file.dir);
		walk->unknown = name_process(command, pid);
	}
	return 0;
}

/* Whether this is the reason for an error. Access to files of a process that is just ending may be
 * denied. */
static bool has_ended(const struct walk *walk, const char *pid, int error)
{
	return error == -ENOENT || error == -ESRCH ||
	       (faccessat(walk->proc, pid, F_OK, 0) < 0 && errno == ENOENT);
}

static void visit(struct walk *walk, const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	int fd = openat(walk->proc, path + strlen("/proc/"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = dir ? check_files(walk, dir, (pid_t)strtol(pid, NULL, 10)) : -errno;
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (r == 0 && strcmp(pid, "1") == 0)
		walk->saw_init = true;
	if (r == 0 || has_ended(walk, pid, r))
		return;
	note_unseen(walk, path, -r);
	walk->denied = walk->denied || r == -EACCES || r == -EPERM;
}

/* Whether all processes of the host are visible: in a container, there are others, and /proc may
 * hide those of other users (hidepid). */
static bool sees_all(const struct walk *walk)
{
	static const char first[] = "pid:[4026531836]"; /* PROC_PID_INIT_INO in the kernel */
	char name[64];

	ssize_t n = readlinkat(walk->proc, "self/ns/pid", name, sizeof(name));
	return walk->saw_init && n == (ssize_t)strlen(first) && memcmp(name, first, (size_t)n) == 0;
}

/* Only one process can have a group open, so that one is the user even if it is not known to have
 * the device open. The group of a caller does not have to be used. */
static bool has_user(const struct walk *walk, const struct holder *holder)
{
	return holder->pid && (holder->group_fd < 0 || !is_caller(walk, holder->pid));
}

/* Whether more processes cannot change the result. */
static bool is_complete(const struct walk *walk)
{
	for (size_t i = 0; i < walk->n_holders; i++)
		if (!has_user(walk, &walk->holders[i]))
			return false;
	return true;
}

/* Whether a process belongs to an ordinary user, who can have any number of processes, and cannot
 * use a device: the real UID is in the range of logins (login.defs(5), UID_MIN to UID_MAX), or in
 * that of user namespaces. The owner of /proc/PID does not say so: it may be root. */
static bool is_ordinary(const struct walk *walk, const char *pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "%.20s/status", pid);
	if (file_read_attr(walk->proc, path, text, sizeof(text)) < 0)
		return false;
	const char *line = strstr(text, "\nUid:");
	unsigned long uid = line ? strtoul(line + strlen("\nUid:"), NULL, 10) : 0;
	return (uid >= 1000 && uid <= 60000) || uid > 65535;
}

/* Visits a process unless the pass has to end. With `unused`, the group shows that no guest uses
 * the device, so the pass only adds what it can see: a security policy that denies access to one
 * process does so for most others, and logs each attempt. */
static bool visit_next(struct walk *walk, const char *pid, bool unused)
{
	if (is_complete(walk) || (unused && walk->denied))
		return false;
	visit(walk, pid);
	return true;
}

/* Visits the processes of ordinary users last, until the time is up: these users cannot prevent it
 * from finding a guest. */
static void visit_processes(struct walk *walk, bool unused)
{
	_cleanup_names_ struct file_names pids = { 0 };
	int n_ordinary = 0;
	bool more = true;

	int r = walk->proc < 0 ? walk->proc : file_scan_unsorted(walk->proc, ".", &pids);
	if (r < 0)
		note_unseen(walk, "/proc", -r);
	for (int i = 0; i < pids.n && more; i++) {
		struct dirent *process = pids.v[i];

		if (*process->d_name < '1' || *process->d_name > '9')
			continue;
		if (is_ordinary(walk, process->d_name))
			pids.v[n_ordinary++] = process;
		else
			more = visit_next(walk, process->d_name, unused);
	}
	for (int i = 0; i < n_ordinary && more; i++) {
		more = visit_next(walk, pids.v[i]->d_name, unused);
		if (more && clock_used() >= walk->end) {
			note_unseen(walk, "checking the files of all processes takes too long", 0);
			return;
		}
	}
}

static void visit_all(struct walk *walk, bool unused)
{
	visit_processes(walk, unused);
	if (walk->unknown) {
		_cleanup_free_ char *why = mem_printf(
			"%s has a device open, and it is unknown which one", walk->unknown);
		note_unseen(walk, why, 0);
	}
	if (!sees_all(walk))
		note_unseen(walk, "not all processes are visible (must be root on the host)", 0);
}

/* Checks this process and its ancestors until one has a group open: libvirt does while it stops a
 * device, and may not look at all of its ancestors. */
static void visit_callers(struct walk *walk)
{
	char pid[16];

	find_callers(walk);
	for (size_t i = 0; i < walk->n_callers && !walk->holders[0].pid; i++) {
		snprintf(pid, sizeof(pid), "%d", (int)walk->callers[i]);
		visit(walk, pid);
	}
}

void holder_find_all(const struct env *env, struct holder *holders, size_t n, bool walk_proc)
{
	_cleanup_walk_ struct walk walk;

	open_walk(&walk, env, holders, n, WALK_LIMIT * SECOND);
	if (walk_proc && walk.n > 0)
		visit_all(&walk, false);
	for (size_t i = 0; i < walk.n && (!walk_proc || walk.unseen); i++)
		if (walk.nodes[i].holder->in_use == ANSWER_NO)
			walk.nodes[i].holder->in_use = ANSWER_UNKNOWN;
}

void holder_free_all(struct holder *holders, size_t n)
{
	for (struct holder *holder = holders; holder < holders + n; holder++) {
		mem_free(&holder->group);
		mem_free(&holder->node);
		mem_free(&holder->command);
		mem_free(&holder->guest);
		*holder = (struct holder){ .dirfd = holder->dirfd, .path = holder->path };
	}
}

char *holder_words(const struct holder *holder)
{
	if (holder->in_use != ANSWER_YES)
		return NULL;
	_cleanup_free_ char *process =
		name_process(holder->guest ? holder->guest : holder->command, holder->pid);
	return mem_printf("is in use by %s", process);
}

/* Whether a process has the group open: only one can (vfio_group_fops_open() in the kernel,
 * whatever the mode). It is opened read-only, like by libvirt, whose security policies allow no
 * more, and closed at once: a guest that starts now must find it free. */
static enum answer is_open(const char *group)
{
	int fd = open(group, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY ? ANSWER_YES : ANSWER_UNKNOWN;
	close(fd);
	return ANSWER_NO;
}

/* Whether the group that a process has open is attached to a container or an iommufd. The device of
 * an unattached group cannot be opened. */
static enum answer is_attached(pid_t pid, int fd, const char *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct stat node, same;

	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return ANSWER_UNKNOWN;
	_cleanup_close_ int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0 || file_status(copy, "", &same) < 0 ||
	    file_status(AT_FDCWD, group, &node) < 0 || !file_is_same(&same, &node) ||
	    ioctl(copy, VFIO_GROUP_GET_STATUS, &status) < 0)
		return ANSWER_UNKNOWN;
	return (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) ? ANSWER_YES : ANSWER_NO;
}

/* Whether a group that a caller has open is attached. Without permission to ask, it is not if the
 * callers have nothing open that it could be attached to. */
static enum answer check_attached(const struct walk *walk, const struct holder *holder,
				  const char *group)
{
	enum answer attached = is_attached(holder->pid, holder->group_fd, group);

	return attached == ANSWER_UNKNOWN && !walk->container ? ANSWER_NO : attached;
}

static enum answer find(struct walk *walk, struct holder *holder, char **ret_words)
{
	enum answer open = ANSWER_UNKNOWN, attached = ANSWER_UNKNOWN;

	if (!holder->group && !holder->node && !walk->unseen)
		return ANSWER_NO;
	_cleanup_free_ char *group =
		mem_printf("%s%s", walk->env->root_path, holder->group ? holder->group : "");
	if (holder->group)
		open = is_open(group);
	if (open == ANSWER_NO && !holder->node && !walk->unseen)
		return ANSWER_NO;
	if (open != ANSWER_NO)
		visit_callers(walk);
	if (holder->pid && !has_user(walk, holder))
		attached = check_attached(walk, holder, group);
	if (attached == ANSWER_NO && !holder->node && !walk->unseen)
		return ANSWER_NO;
	if (attached != ANSWER_YES)
		visit_all(walk, open == ANSWER_NO || attached == ANSWER_NO);
	if (has_user(walk, holder) || attached == ANSWER_YES)
		*ret_words = holder_words(holder);
	else if (open == ANSWER_YES && attached != ANSWER_NO && walk->unknown)
		*ret_words = mem_printf("is in use by %s", walk->unknown);
	else if (open == ANSWER_YES && !holder->pid)
		*ret_words = mem_printf("is in use by a process that is not visible (%s is busy)",
					group);
	if (*ret_words)
		return ANSWER_YES;
	bool unused = open == ANSWER_NO || holder->pid; /* only a caller has the group open */
	if (walk->failed || (!unused && walk->unseen))
		*ret_words = mem_printf("may be in use: %s", walk->unseen);
	else if (!unused && holder->in_use == ANSWER_UNKNOWN)
		*ret_words = mem_text("may be in use: its device node is missing in /dev (run it "
				      "on the host, not in a container)");
	return *ret_words ? ANSWER_UNKNOWN : ANSWER_NO;
}

/* Returns the processor time for a pass that should end at the deadline (0 = none). */
static uint64_t walk_limit(uint64_t deadline)
{
	uint64_t now = clock_now();

	if (deadline == 0)
		return WALK_LIMIT * SECOND;
	return deadline > now + WALK_LEAST * SECOND ? deadline - now : WALK_LEAST * SECOND;
}

enum answer holder_find(const struct env *env, const char *uuid, uint64_t deadline,
			char **ret_words)
{
	_cleanup_free_ char *path = mem_printf(VFIO_MDEV, uuid);
	_cleanup_walk_ struct walk walk;
	struct holder holder = { .dirfd = env->root, .path = path };

	*ret_words = NULL;
	open_walk(&walk, env, &holder, 1, walk_limit(deadline));
	enum answer answer = find(&walk, &holder, ret_words);
	holder_free_all(&holder, 1);
	return answer;
}

/* Seconds for which a pass is up to date: as long as one may take. */
#define PASS_VALID 1

void holder_pass_open(struct holder_pass *ret, const struct env *env, const struct mdev_list *list)
{
	*ret = (struct holder_pass){ .env = env,
				     .holders = mem_zero(list->n + 1, sizeof(struct holder)),
				     .n = list->n };
	for (size_t i = 0; i < list->n; i++)
		ret->holders[i] = (struct holder){ .dirfd = env->root,
						   .path = mem_printf(VFIO_MDEV, list->v[i].uuid) };
}

void holder_pass_close(struct holder_pass *pass)
{
	holder_free_all(pass->holders, pass->n);
	for (size_t i = 0; i < pass->n; i++)
		free((char *)pass->holders[i].path);
	free(pass->holders);
}

/* Returns the device; NULL = it is not in the pass. */
static const struct holder *look_up(const struct holder_pass *pass, const char *uuid)
{
	for (size_t i = 0; i < pass->n; i++)
		if (strcmp(text_base_name(pass->holders[i].path), uuid) == 0)
			return &pass->holders[i];
	return NULL;
}

enum answer holder_pass_find(struct holder_pass *pass, const char *uuid, uint64_t deadline,
			     char **ret_words)
{
	if (clock_now() >= pass->until) {
		holder_free_all(pass->holders, pass->n);
		holder_find_all(pass->env, pass->holders, pass->n, true);
		pass->until = clock_in(PASS_VALID);
	}
	const struct holder *holder = look_up(pass, uuid);
	_cleanup_free_ char *group =
		holder && holder->group ? mem_printf("%s%s", pass->env->root_path, holder->group)
					: NULL;
	if (!holder || holder->in_use != ANSWER_NO || (group && is_open(group) != ANSWER_NO))
		return holder_find(pass->env, uuid, deadline, ret_words);
	*ret_words = NULL;
	return ANSWER_NO;
}
