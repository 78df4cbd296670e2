// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * replay dump DIRECTORY
 *
 * Prints the definitions in a directory like /etc/mdevctl.d, a line each: PARENT/UUID, a tab, and
 * what makes up the file. The UUID is the canonical one, whatever the name of the file.
 *
 * replay entries LOG
 *
 * Prints the number of entries of a log.
 *
 * replay test LOG DISK TYPE STATES SEED RANDOM WORK APPLY
 *
 * Replays all writes to a disk, recorded by QEMU in the format of dm-log-writes (the kernel's
 * admin-guide/device-mapper/log-writes.rst), on DISK, a file that contains a file system of TYPE as
 * it was when the recording began. As if the power had failed, it is copied to the directory WORK,
 * mounted and checked after each flush and each write-through (FUA), and at RANDOM more points,
 * where a random selection of what was written since the last flush has reached the disk.
 *
 * STATES/N contains the dump after an operation that was acknowledged, and line N of STATES/marks,
 * counted from 0, the number of entries of the log then. Each file must be as in the last of these
 * states or as in the next one, and be there once, with at most one temporary file. At every eighth
 * point, the next run of mdev-apply APPLY must succeed, and leave nothing to do.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEFINITIONS "mounted/etc/mdevctl.d"
#define TEMPORARY ".mdevctl.tmp."
#define TEXT_MAX 2048
#define APPLY_EVERY 8
#define FAILURES_MAX 10

/* The definitions: lines "KEY\tVALUE", sorted. */
struct state {
	char **line;
	size_t n;
};

static void add(struct state *state, const char *parent, const char *uuid, const char *value)
{
	char *line;

	state->line = realloc(state->line, (state->n + 1) * sizeof(char *));
	if (!state->line || asprintf(&line, "%s/%s\t%s", parent, uuid, value) < 0)
		err(1, "no memory");
	state->line[state->n++] = line;
}

static void clear(struct state *state)
{
	for (size_t i = 0; i < state->n; i++)
		free(state->line[i]);
	free(state->line);
	*state = (struct state){ 0 };
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lower case, with hyphens only where they belong */
static void canonical(const char *name, char ret[37])
{
	size_t n = 0;

	for (; *name && n < 36; name++) {
		if (!isxdigit((unsigned char)*name))
			continue;
		if (n == 8 || n == 13 || n == 18 || n == 23)
			ret[n++] = '-';
		ret[n++] = (char)tolower((unsigned char)*name);
	}
	ret[n] = '\0';
}

/* Mode, access control list and contents of a file, or the target of a link */
static void describe(int dirfd, const char *name, char ret[TEXT_MAX])
{
	char text[TEXT_MAX / 2], acl[128], proc[32], *end = ret;
	struct stat st;
	ssize_t n;

	n = readlinkat(dirfd, name, text, sizeof(text) - 1);
	if (n >= 0) {
		sprintf(ret, "link %.*s", (int)n, text);
		return;
	}
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", name);
	end += sprintf(end, "%o ", st.st_mode);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = getxattr(proc, "system.posix_acl_access", acl, sizeof(acl));
	for (ssize_t i = 0; i < n; i++)
		end += sprintf(end, "%02x", (unsigned char)acl[i]);
	n = S_ISDIR(st.st_mode) ? 0 : read(fd, text, sizeof(text));
	if (n < 0 || n == (ssize_t)sizeof(text))
		errx(1, "cannot read %s", name);
	*end++ = ' ';
	for (ssize_t i = 0; i < n; i++)
		*end++ = isspace((unsigned char)text[i]) ? ' ' : text[i];
	*end = '\0';
	close(fd);
}

/* Returns the number of temporary files. */
static int dump_parent(int dirfd, const char *parent, struct state *state)
{
	char value[TEXT_MAX], uuid[37];
	struct dirent *entry;
	int temporary = 0;

	describe(dirfd, parent, value);
	add(state, parent, "", value);
	int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	if (!dir)
		err(1, "%s", parent);
	while ((entry = readdir(dir))) {
		temporary += strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0;
		if (entry->d_name[0] == '.')
			continue;
		canonical(entry->d_name, uuid);
		describe(fd, entry->d_name, value);
		add(state, parent, uuid, value);
	}
	closedir(dir);
	return temporary;
}

/* Also returns the number of temporary files. */
static int dump(const char *path, struct state *ret)
{
	struct dirent *entry;
	int temporary = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);

	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			temporary += dump_parent(fd, entry->d_name, ret);
	}
	closedir(dir);
	if (ret->n)
		qsort(ret->line, ret->n, sizeof(char *), by_text);
	return temporary;
}

static void read_state(const char *directory, unsigned number, struct state *ret)
{
	char path[PATH_MAX], *line = NULL;
	size_t room = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%u", directory, number);
	FILE *file = fopen(path, "re");
	if (!file) /* there is none after the last operation */
		return;
	while ((n = getline(&line, &room, file)) > 0) {
		line[n - 1] = '\0';
		ret->line = realloc(ret->line, (ret->n + 1) * sizeof(char *));
		if (!ret->line)
			err(1, "no memory");
		ret->line[ret->n++] = line;
		line = NULL;
		room = 0;
	}
	free(line);
	fclose(file);
}

static size_t key_length(const char *line)
{
	return strcspn(line, "\t");
}

/* Returns the line with the key of another one, or NULL. */
static const char *find(const struct state *state, const char *like)
{
	size_t n = key_length(like) + 1;

	for (size_t i = 0; i < state->n; i++)
		if (strncmp(state->line[i], like, n) == 0)
			return state->line[i];
	return NULL;
}

/* The test of one point in time */
struct point {
	size_t entry;
	const char *kind;
	unsigned mark;
	unsigned failures; /* of all points */
};

__attribute__((format(printf, 2, 3))) static void fail(struct point *point, const char *format, ...)
{
	va_list args;

	printf("entry %zu (%s), after mark %u: ", point->entry, point->kind, point->mark);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	if (++point->failures >= FAILURES_MAX)
		errx(1, "too many failures");
}

static void check_once(const struct state *is, size_t i, struct point *point)
{
	const char *uuid = strchr(is->line[i], '/') + 1;
	size_t n = key_length(uuid) + 1;

	for (size_t j = 0; n > 1 && j < i; j++)
		if (strncmp(strchr(is->line[j], '/') + 1, uuid, n) == 0)
			fail(point, "is there twice: %s; %s", is->line[j], is->line[i]);
}

static void check_state(const char *states, struct state *is, struct point *point)
{
	struct state old = { 0 }, new = { 0 };

	read_state(states, point->mark, &old);
	read_state(states, point->mark + 1, &new);
	for (size_t i = 0; i < is->n; i++) {
		const char *before = find(&old, is->line[i]), *after = find(&new, is->line[i]);

		if ((!before || strcmp(before, is->line[i]) != 0) &&
		    (!after || strcmp(after, is->line[i]) != 0))
			fail(point, "is: %s; was: %s; would be: %s", is->line[i],
			     before ? before : "-", after ? after : "-");
		check_once(is, i, point);
	}
	for (size_t i = 0; i < old.n; i++)
		if ((find(&new, old.line[i]) || !new.n) && !find(is, old.line[i]))
			fail(point, "is missing: %s", old.line[i]);
	clear(&old);
	clear(&new);
}

/* Returns the exit status of mdev-apply. */
static int run_apply(const char *option, const char *file)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("MDEVCTL_ENV_ROOT", realpath("mounted", NULL), 1);
		if (!freopen("apply", "w", stdout) || dup2(1, 2) < 0)
			_exit(126);
		execlp("mdev-apply", "mdev-apply", file, option, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		err(1, "fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_apply(const char *file, struct point *point)
{
	int status = run_apply(NULL, file);

	if (status != 0)
		fail(point, "mdev-apply failed: %d", status);
	status = run_apply("--dry-run", file);
	if (status != 0)
		fail(point, "mdev-apply has not made all changes: %d", status);
}

/* The log: the first sector contains struct log_super, and each entry starts with a sector with
 * struct log_entry, followed by its data. Numbers are little-endian. */
struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};
#define LOG_MAGIC 0x6a736677736872ULL

struct log_entry {
	uint64_t sector, sectors, flags, data_len;
};
enum { FLUSH = 1, FUA = 2, DISCARD = 4 };

struct log {
	int fd;
	uint64_t entries, sector_size;
	struct log_entry *entry;
	off_t *data;
};

static uint64_t count_entries(const char *path, struct log_super *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, ret, sizeof(*ret), 0) != sizeof(*ret))
		err(1, "%s", path);
	close(fd);
	if (le64toh(ret->magic) != LOG_MAGIC || le64toh(ret->version) != 1)
		errx(1, "%s is not a log", path);
	return le64toh(ret->entries);
}

static void read_log(const char *path, struct log *ret)
{
	struct log_super super;

	*ret = (struct log){ .entries = count_entries(path, &super) };
	ret->fd = open(path, O_RDONLY | O_CLOEXEC);
	ret->sector_size = le32toh(super.sector_size);
	ret->entry = calloc(ret->entries, sizeof(*ret->entry));
	ret->data = calloc(ret->entries, sizeof(*ret->data));
	off_t at = (off_t)ret->sector_size;
	for (size_t i = 0; i < ret->entries; i++) {
		struct log_entry *entry = &ret->entry[i];

		if (pread(ret->fd, entry, sizeof(*entry), at) != sizeof(*entry))
			err(1, "%s", path);
		entry->sector = le64toh(entry->sector);
		entry->sectors = le64toh(entry->sectors);
		entry->flags = le64toh(entry->flags);
		at += (off_t)ret->sector_size;
		ret->data[i] = at;
		if (!(entry->flags & DISCARD))
			at += (off_t)(entry->sectors * ret->sector_size);
	}
}

/* Makes an entry reach a disk. */
static void replay(const struct log *log, size_t i, int disk)
{
	const struct log_entry *entry = &log->entry[i];
	off_t to = (off_t)(entry->sector * log->sector_size);
	size_t len = entry->sectors * log->sector_size;
	static char buf[1 << 16];

	if ((entry->flags & DISCARD) &&
	    fallocate(disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, to, (off_t)len) < 0)
		err(1, "fallocate");
	if (entry->flags & DISCARD)
		return;
	for (size_t done = 0; done < len;) {
		size_t part = len - done < sizeof(buf) ? len - done : sizeof(buf);

		if (pread(log->fd, buf, part, log->data[i] + (off_t)done) != (ssize_t)part ||
		    pwrite(disk, buf, part, to + (off_t)done) != (ssize_t)part)
			err(1, "replay");
		done += part;
	}
}

/* Returns a copy of a sparse file. */
static int copy_disk(int disk)
{
	static char buf[1 << 18];
	struct stat st;
	off_t data = 0;
	ssize_t n;

	int copy = open("copy", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (copy < 0 || fstat(disk, &st) < 0 || ftruncate(copy, st.st_size) < 0)
		err(1, "copy");
	while ((data = lseek(disk, data, SEEK_DATA)) >= 0) {
		off_t hole = lseek(disk, data, SEEK_HOLE);

		for (; data < hole; data += n) {
			size_t part = hole - data < (off_t)sizeof(buf) ? (size_t)(hole - data)
								       : sizeof(buf);
			n = pread(disk, buf, part, data);
			if (n <= 0 || pwrite(copy, buf, (size_t)n, data) != n)
				err(1, "copy");
		}
	}
	return copy;
}

/* Attaches a file to an unused loop device, whose cache is empty. */
static int attach(int file, char ret_device[32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	snprintf(ret_device, 32, "/dev/loop%d", number);
	int loop = open(ret_device, O_RDWR | O_CLOEXEC);
	if (loop < 0 || ioctl(loop, LOOP_SET_FD, file) < 0)
		err(1, "%s", ret_device);
	close(control);
	return loop;
}

/* Mounts the copy, and closes it. */
static void check(int copy, const char *type, const char *states, const char *apply,
		  struct point *point)
{
	struct state state = { 0 };
	char device[32];
	int loop = attach(copy, device);

	if (mount(device, "mounted", type, 0, NULL) < 0) {
		fail(point, "mount: %s", strerror(errno));
	} else {
		if (dump(DEFINITIONS, &state) > 1)
			fail(point, "there is more than one temporary file");
		check_state(states, &state, point);
		clear(&state);
		if (apply)
			check_apply(apply, point);
		if (umount("mounted") < 0)
			err(1, "umount");
	}
	if (ioctl(loop, LOOP_CLR_FD) < 0)
		err(1, "LOOP_CLR_FD");
	close(loop);
	close(copy);
}

/* SplitMix64: the same numbers everywhere */
static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Returns the numbers of entries at the marks, with an end that is never reached. */
static uint64_t *read_marks(const char *states)
{
	uint64_t *marks = NULL, mark;
	size_t n = 0;

	FILE *file = freopen(states, "re", stdin);
	while (file && scanf("%" SCNu64, &mark) == 1) {
		marks = realloc(marks, (n + 2) * sizeof(*marks));
		if (!marks)
			err(1, "no memory");
		marks[n++] = mark;
		marks[n] = UINT64_MAX;
	}
	if (!marks)
		err(1, "%s", states);
	return marks;
}

struct options {
	const char *type, *states, *apply;
	unsigned number, applied; /* of points */
};

static void check_next(int copy, struct options *options, struct point *point)
{
	bool apply = ++options->number % APPLY_EVERY == 0;

	options->applied += apply;
	check(copy, options->type, options->states, apply ? options->apply : NULL, point);
}

static int test(char *argv[])
{
	struct options options = { .type = argv[2], .states = argv[3], .apply = argv[7] };
	uint64_t seed = strtoull(argv[4], NULL, 10);
	unsigned random = (unsigned)atoi(argv[5]), kinds[2] = { 0 };
	char marks_path[PATH_MAX];
	struct point point = { 0 };
	size_t done = 0; /* this many entries have reached the disk */
	struct log log;

	snprintf(marks_path, sizeof(marks_path), "%s/marks", options.states);
	uint64_t *marks = read_marks(marks_path);
	read_log(argv[0], &log);
	int disk = open(argv[1], O_RDWR | O_CLOEXEC);
	if (disk < 0 || chdir(argv[6]) < 0)
		err(1, "%s, %s", argv[1], argv[6]);
	unsigned *chosen = calloc(log.entries, sizeof(*chosen));
	for (unsigned i = 0; i < random; i++)
		chosen[next_random(&seed) % log.entries]++;
	for (size_t i = 0; i < log.entries; i++) {
		point.entry = i; /* which the power failure prevents, or follows */
		while (marks[point.mark + 1] <= i)
			point.mark++;
		point.kind = "random";
		for (unsigned n = 0; n < chosen[i]; n++) {
			int copy = copy_disk(disk);

			for (size_t j = done; j < i; j++)
				if (next_random(&seed) & 1)
					replay(&log, j, copy);
			check_next(copy, &options, &point);
		}
		if (!(log.entry[i].flags & (FLUSH | FUA)))
			continue;
		for (; done <= i; done++)
			replay(&log, done, disk);
		while (marks[point.mark + 1] <= done)
			point.mark++;
		bool flush = log.entry[i].flags & FLUSH;
		point.kind = flush ? "flush" : "write-through";
		kinds[flush ? 0 : 1]++;
		check_next(copy_disk(disk), &options, &point);
	}
	printf("%u points: %u flushes, %u write-throughs, %u random; %u runs of apply, "
	       "%zu entries, %u marks\n",
	       options.number, kinds[0], kinds[1], random, options.applied, (size_t)log.entries,
	       point.mark);
	return point.failures ? 1 : 0;
}

int main(int argc, char *argv[])
{
	struct state state = { 0 };
	struct log_super super;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 10 && strcmp(argv[1], "test") == 0)
		return test(argv + 2);
	if (argc == 3 && strcmp(argv[1], "entries") == 0) {
		printf("%" PRIu64 "\n", count_entries(argv[2], &super));
		return 0;
	}
	if (argc != 3 || strcmp(argv[1], "dump") != 0)
		errx(2, "wrong arguments");
	dump(argv[2], &state);
	for (size_t i = 0; i < state.n; i++)
		puts(state.line[i]);
	clear(&state);
	return 0;
}
