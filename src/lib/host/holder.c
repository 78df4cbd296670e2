/* SPDX-License-Identifier: LGPL-2.1-or-later */
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

/* A device node that a process may have open. It is recognized by what it is, not by its path: any
 * user can create a file with the same path in their own mount namespace. */
struct node {
	struct stat status;
	struct holder *holder; /* borrowed */
};

#define MOST_CALLERS 32

/* A pass over /proc. */
struct walk {
	const struct env *env; /* borrowed */
	int proc;	       /* owned: /proc, or -errno */
	uint64_t end;	       /* in the time of clock_used() */
	struct node *nodes;    /* owned */
	size_t n;
	struct holder *holders; /* borrowed */
	size_t n_holders;
	unsigned callers[MOST_CALLERS]; /* this process and its ancestors; none for reports */
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

/* Adds the node of a device of this class in sysfs. found is the result of vfio_group() or
 * vfio_device(), which have set its name. Returns its path without the root (owned), or NULL. */
static char *add_node(struct walk *walk, struct holder *holder, int found, const char *class,
		      const char *dir, const char *name)
{
	if (found < 0) {
		holder->in_use = ANSWER_UNKNOWN;
		note_unseen(walk, "its directory in sysfs", -found);
	}
	if (found <= 0)
		return NULL;
	char *path = mem_printf(NODES "%s%s", dir, name);
	_cleanup_free_ char *full = mem_printf("%s%s", walk->env->root_path, path);
	_cleanup_free_ char *sysfs = mem_printf("sys/class/%s/%s", class, name);
	struct node *node = &walk->nodes[walk->n];

	node->holder = holder;
	int r = file_status(AT_FDCWD, full, &node->status);
	if (r == 0)
		walk->n++;
	else if (r != -ENOENT)
		note_unseen(walk, full, -r);
	/* It may be in another /dev, unless the kernel has just removed it. */
	if (r < 0 && (r != -ENOENT || faccessat(walk->env->root, sysfs, F_OK, 0) == 0))
		holder->in_use = ANSWER_UNKNOWN;
	return path;
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
	for (struct holder *holder = holders; holder < holders + n; holder++) {
		holder->in_use = ANSWER_NO;
		int found = vfio_group(env->root, holder->path, name);
		holder->group = add_node(ret, holder, found, "vfio", "", name);
		found = vfio_device(env->root, holder->path, name);
		holder->node = add_node(ret, holder, found, "vfio-dev", "devices/", name);
	}
}

/* Returns the process that precedes pid in the chain of ancestors; 0 = none. */
static unsigned parent_of(int proc, unsigned pid)
{
	char path[32], stat[PATH_MAX];
	unsigned parent = 0;

	snprintf(path, sizeof(path), "%u/stat", pid);
	if (file_read_attr(proc, path, stat, sizeof(stat)) < 0)
		return 0;
	const char *p = strrchr(stat, ')'); /* PID (NAME) STATE PARENT ..., with any NAME */
	if (p && strlen(p) > 4 && (p += 4))
		(void)text_take_number(&p, INT_MAX, &parent);
	return parent;
}

static bool is_caller(const struct walk *walk, unsigned pid)
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

static char *name_process(const char *name, unsigned pid)
{
	return name ? mem_printf("%s (PID %u)", name, pid) : mem_printf("process %u", pid);
}

/* Returns the name of the guest in the argument of -name, which this overwrites: NAME,... or
 * ...,guest=NAME,... A comma in a value is doubled. */
static char *parse_guest(char *text)
{
	for (bool first = true; *text; first = false) {
		char *option = text, *end = text;

		for (; *text && (*text != ',' || *++text == ','); text++)
			*end++ = *text;
		*end = '\0';
		bool named = strncmp(option, "guest=", 6) == 0;
		const char *name = named ? option + 6 : option;
		if (!*name || !(named || (first && !strchr(option, '='))))
			continue;
		char *guest = mem_text_n(name, NAME_MAX);
		text_clean(guest);
		return guest;
	}
	return NULL;
}

/* Returns the name of the guest that a process runs; the arguments are NUL-terminated. */
static char *read_guest(int dir)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (file_read(dir, "../cmdline", &text, &len) < 0 || len == 0)
		return NULL;
	const char *program = text_base_name(text);
	if (strncmp(program, "qemu", 4) != 0 && strcmp(program, "kvm") != 0)
		return NULL;
	for (char *p = text; p + strlen(p) + 1 < text + len; p += strlen(p) + 1)
		if (strcmp(p, "-name") == 0 || strcmp(p, "--name") == 0)
			return parse_guest(p + strlen(p) + 1);
	return NULL;
}

/* A process, and what it has open. */
struct process {
	unsigned pid;
	int dir;	     /* owned: its /proc/PID/fd, or -errno */
	const char *fd;	     /* borrowed: a name in it, that of the file that is checked */
	struct holder *own;  /* has a group that it has open */
	bool device, others; /* it has devices, unknown which ones, or other groups open */
};

/* One user is enough. One that only has the group open is replaced by one that has the device. */
static void note_user(struct holder *holder, const struct process *process, bool group)
{
	unsigned fd;

	if ((holder->pid && (holder->group_fd < 0 || group)) ||
	    !text_number(process->fd, INT_MAX, &fd))
		return;
	free(holder->command);
	free(holder->guest);
	holder->in_use = ANSWER_YES;
	holder->pid = process->pid;
	holder->group_fd = group ? (int)fd : -1;
	holder->command = read_name(process->dir);
	holder->guest = read_guest(process->dir);
}

static int read_fdinfo(const struct process *process, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "../fdinfo/%.20s", process->fd);
	return file_read_attr(process->dir, path, buf, size);
}

/* Whether the file was opened with O_PATH, which any user can do, and does not use it. */
static bool is_name(const struct process *process)
{
	char text[512];

	if (read_fdinfo(process, text, sizeof(text)) < 0)
		return false;
	const char *flags = strstr(text, "flags:");
	return flags && strtoul(flags + strlen("flags:"), NULL, 8) & O_PATH;
}

/* Several devices may share a group. Returns one that has this file as its node, or NULL. */
static struct holder *match_node(struct walk *walk, const struct process *process, bool group)
{
	struct holder *holder = NULL;
	struct stat status;

	int r = file_status(process->dir, process->fd, &status);
	if (r < 0 && r != -ENOENT && r != -EACCES) /* a file in FUSE may be closed to root */
		note_unseen(walk, "the status of an open device node", 0);
	for (size_t i = 0; r == 0 && i < walk->n; i++) {
		if (!file_is_same(&status, &walk->nodes[i].status))
			continue;
		if (!holder && is_name(process))
			break;
		holder = walk->nodes[i].holder;
		note_user(holder, process, group);
	}
	return holder;
}

/* Handles an open device. Returns whether fdinfo shows which one it is (since Linux 6.17). */
static bool match_device(const struct walk *walk, const struct process *process)
{
	static const char key[] = "vfio-device-syspath:";
	char text[PATH_MAX];

	char *path = read_fdinfo(process, text, sizeof(text)) < 0 ? NULL : strstr(text, key);
	if (!path)
		return false;
	path[strcspn(path, "\n")] = '\0';
	for (size_t i = 0; i < walk->n_holders; i++)
		if (strcmp(text_base_name(walk->holders[i].path), text_base_name(path)) == 0)
			note_user(&walk->holders[i], process, false);
	return true;
}

/* Checks an open file of a process. Returns 0 or -errno. */
static int check_file(struct walk *walk, struct process *process)
{
	size_t root = strlen(walk->env->root_path);
	char target[PATH_MAX];

	int r = file_read_link(process->dir, process->fd, target);
	if (r < 0) /* it has been closed, or it is in directories that are deeper than any node */
		return r == -ENOENT || r == -ENAMETOOLONG ? 0 : r;
	const char *path = strncmp(target, walk->env->root_path, root) == 0 ? target + root : "";
	bool device = strcmp(target, DEVICE_FD) == 0;
	/* What uses a group, now or before. */
	if ((device || strcmp(target, "anon_inode:[iommufd]") == 0 ||
	     strcmp(path, NODES "vfio") == 0 || strcmp(path, "/dev/iommu") == 0) &&
	    is_caller(walk, process->pid))
		walk->container = true;
	if (device && !match_device(walk, process))
		process->device = true;
	if (strncmp(path, NODES, strlen(NODES)) != 0)
		return 0;
	bool group = path[strlen(NODES)] >= '0' && path[strlen(NODES)] <= '9';
	struct holder *holder = match_node(walk, process, group);
	if (group && holder)
		process->own = holder;
	else if (group)
		process->others = true;
	return 0;
}

/* Checks the open files of a process. Returns 0 or -errno. */
static int check_files(struct walk *walk, struct process *process)
{
	_cleanup_names_ struct file_names fds = { 0 };

	int r = file_scan_unsorted(process->dir, NULL, &fds);
	for (int i = 0; i < fds.n && r == 0; i++) {
		process->fd = fds.v[i]->d_name;
		r = check_file(walk, process);
	}
	if (r < 0 || !process->device || process->others)
		return r;
	/* Most likely, the devices belong to the groups. */
	if (process->own) {
		process->own->group_fd = -1;
	} else if (!walk->unknown) {
		_cleanup_free_ char *command = read_name(process->dir);
		walk->unknown = name_process(command, process->pid);
	}
	return 0;
}

static void visit(struct walk *walk, unsigned pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	const char *fds = path + strlen("/proc/");
	struct process process = { .pid = pid, .dir = file_open_dir(walk->proc, fds) };
	int r = check_files(walk, &process);
	mem_close(&process.dir);
	if (r == 0 && pid == 1)
		walk->saw_init = true;
	/* Access to files of a process that is just ending may be denied. */
	if (r == 0 || r == -ENOENT || r == -ESRCH ||
	    (faccessat(walk->proc, fds, F_OK, 0) < 0 && errno == ENOENT))
		return;
	note_unseen(walk, path, -r);
	walk->denied = walk->denied || r == -EACCES || r == -EPERM;
}

/* Only one process can have a group open, so that one is the user even if it is not known to have
 * the device open. The group of a caller does not have to be used. */
static bool has_user(const struct walk *walk, const struct holder *holder)
{
	return holder->pid && (holder->group_fd < 0 || !is_caller(walk, holder->pid));
}

/* Whether a process belongs to an ordinary user, who can have any number of processes, and cannot
 * use a device: the real UID is in the range of logins (login.defs(5), UID_MIN to UID_MAX), or in
 * that of user namespaces. The owner of /proc/PID does not say so: it may be root. */
static bool is_ordinary(const struct walk *walk, unsigned pid)
{
	static const char key[] = "\nUid:\t";
	char path[32], text[4096];
	unsigned uid;

	snprintf(path, sizeof(path), "%u/status", pid);
	if (file_read_attr(walk->proc, path, text, sizeof(text)) < 0)
		return false;
	const char *p = strstr(text, key);
	return p && (p += strlen(key)) && text_take_number(&p, UINT_MAX, &uid) &&
	       ((uid >= 1000 && uid <= 60000) || uid > 65535);
}

/* Whether more processes cannot change the result, or are not looked at: if the group shows that
 * no guest uses the device (`unused`), the pass only adds what it can see. A security policy that
 * denies access to one process does so for most others, and logs each attempt. */
static bool is_complete(const struct walk *walk, bool unused)
{
	if (unused && walk->denied)
		return true;
	for (size_t i = 0; i < walk->n_holders; i++)
		if (!has_user(walk, &walk->holders[i]))
			return false;
	return true;
}

/* Visits the processes of ordinary users last, until the time is up: these users cannot prevent it
 * from finding a guest. In a container, there are processes that are not visible, and /proc may
 * hide those of other users (hidepid). */
static void visit_all(struct walk *walk, bool unused)
{
	static const char host[] = "pid:[4026531836]"; /* PROC_PID_INIT_INO in the kernel */
	_cleanup_names_ struct file_names names = { 0 };
	_cleanup_free_ unsigned *ordinary = NULL;
	char namespace[PATH_MAX];
	size_t n = 0;
	unsigned pid;

	int r = file_scan_unsorted(walk->proc, NULL, &names);
	if (r < 0)
		note_unseen(walk, "/proc", -r);
	for (int i = 0; i < names.n && !is_complete(walk, unused); i++) {
		if (!text_number(names.v[i]->d_name, INT_MAX, &pid))
			continue;
		if (!is_ordinary(walk, pid)) {
			visit(walk, pid);
			continue;
		}
		ordinary = mem_room(ordinary, n, sizeof(*ordinary));
		ordinary[n++] = pid;
	}
	for (size_t i = 0; i < n && !is_complete(walk, unused); i++) {
		visit(walk, ordinary[i]);
		if (clock_used() < walk->end)
			continue;
		note_unseen(walk, "checking the files of all processes takes too long", 0);
		break;
	}
	if (walk->unknown) {
		_cleanup_free_ char *why = mem_printf(
			"%s has a device open, and it is unknown which one", walk->unknown);
		note_unseen(walk, why, 0);
	}
	if (!walk->saw_init || file_read_link(walk->proc, "self/ns/pid", namespace) < 0 ||
	    strcmp(namespace, host) != 0)
		note_unseen(walk, "not all processes are visible (must be root on the host)", 0);
}

/* Checks this process and its ancestors until one has a group open: libvirt does while it stops a
 * device, and may not look at all of its ancestors. PIDs are those in /proc, which may belong to
 * another PID namespace than this process. */
static void visit_callers(struct walk *walk)
{
	char self[PATH_MAX];
	unsigned pid;

	if (file_read_link(walk->proc, "self", self) < 0 || !text_number(self, INT_MAX, &pid))
		return;
	for (; pid > 0 && walk->n_callers < MOST_CALLERS; pid = parent_of(walk->proc, pid)) {
		walk->callers[walk->n_callers++] = pid;
		if (!walk->holders[0].pid)
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
		*holder = (struct holder){ .path = holder->path };
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
static enum answer is_open(const struct env *env, const char *group)
{
	_cleanup_free_ char *path = mem_printf("%s%s", env->root_path, group);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY ? ANSWER_YES : ANSWER_UNKNOWN;
	close(fd);
	return ANSWER_NO;
}

/* Whether the group that a process has open is attached to a container or an iommufd. The device of
 * an unattached group cannot be opened. */
static enum answer is_attached(unsigned pid, int fd, const struct stat *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct stat same;

	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return ANSWER_UNKNOWN;
	_cleanup_close_ int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0 || file_status(copy, "", &same) < 0 || !file_is_same(&same, group) ||
	    ioctl(copy, VFIO_GROUP_GET_STATUS, &status) < 0)
		return ANSWER_UNKNOWN;
	return (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) ? ANSWER_YES : ANSWER_NO;
}

/* Whether another process has the group open, or a caller has, and it is attached. Without
 * permission to ask, it is not if the callers have nothing open that it could be attached to. */
static enum answer is_used(struct walk *walk, const struct holder *holder)
{
	enum answer open = is_open(walk->env, holder->group);

	if (open == ANSWER_NO)
		return ANSWER_NO;
	visit_callers(walk);
	if (!holder->pid || has_user(walk, holder))
		return open;
	/* The first node is that of the group, which was found to be open. */
	enum answer attached = is_attached(holder->pid, holder->group_fd, &walk->nodes[0].status);
	return attached == ANSWER_UNKNOWN && !walk->container ? ANSWER_NO : attached;
}

static enum answer find(struct walk *walk, struct holder *holder, char **ret_words)
{
	enum answer used = holder->group ? is_used(walk, holder) : ANSWER_UNKNOWN;

	if ((!holder->group || used == ANSWER_NO) && !holder->node && !walk->unseen)
		return ANSWER_NO;
	bool caller = holder->pid && !has_user(walk, holder); /* has the group open */
	if (!caller || used != ANSWER_YES)
		visit_all(walk, used == ANSWER_NO);
	if (has_user(walk, holder) || (caller && used == ANSWER_YES))
		*ret_words = holder_words(holder);
	else if (used != ANSWER_NO && (caller || used == ANSWER_YES) && walk->unknown)
		*ret_words = mem_printf("is in use by %s", walk->unknown);
	else if (used == ANSWER_YES)
		*ret_words = mem_printf("is in use by a process that is not visible (%s%s is busy)",
					walk->env->root_path, holder->group);
	if (*ret_words)
		return ANSWER_YES;
	bool unused = used == ANSWER_NO || holder->pid; /* only a caller has the group open */
	if (walk->failed || (!unused && walk->unseen))
		*ret_words = mem_printf("may be in use: %s", walk->unseen);
	else if (!unused && holder->in_use == ANSWER_UNKNOWN)
		*ret_words = mem_text("may be in use: its device node is missing in /dev (run it "
				      "on the host, not in a container)");
	return *ret_words ? ANSWER_UNKNOWN : ANSWER_NO;
}

enum answer holder_find(const struct env *env, const char *uuid, uint64_t deadline,
			char **ret_words)
{
	_cleanup_free_ char *path = mem_printf(VFIO_MDEV, uuid);
	_cleanup_walk_ struct walk walk;
	struct holder holder = { .path = path };
	uint64_t now = clock_now(), limit = WALK_LIMIT * SECOND;

	if (deadline != 0)
		limit = deadline > now + WALK_LEAST * SECOND ? deadline - now : WALK_LEAST * SECOND;
	*ret_words = NULL;
	open_walk(&walk, env, &holder, 1, limit);
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
		ret->holders[i].path = mem_printf(VFIO_MDEV, list->v[i].uuid);
}

void holder_pass_close(struct holder_pass *pass)
{
	holder_free_all(pass->holders, pass->n);
	for (size_t i = 0; i < pass->n; i++)
		free((char *)pass->holders[i].path);
	free(pass->holders);
}

enum answer holder_pass_find(struct holder_pass *pass, const char *uuid, uint64_t deadline,
			     char **ret_words)
{
	if (clock_now() >= pass->until) {
		holder_free_all(pass->holders, pass->n);
		holder_find_all(pass->env, pass->holders, pass->n, true);
		pass->until = clock_in(PASS_VALID);
	}
	const struct holder *holder = NULL;
	for (size_t i = 0; i < pass->n && !holder; i++)
		if (strcmp(text_base_name(pass->holders[i].path), uuid) == 0)
			holder = &pass->holders[i];
	if (!holder || holder->in_use != ANSWER_NO ||
	    (holder->group && is_open(pass->env, holder->group) != ANSWER_NO))
		return holder_find(pass->env, uuid, deadline, ret_words);
	*ret_words = NULL;
	return ANSWER_NO;
}
