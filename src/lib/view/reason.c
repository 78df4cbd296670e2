/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "device/json.h"
#include "host/parent.h"
#include "set/active.h"
#include "view/absent.h"
#include "view/reason.h"
#include "view/snapshot.h"

/* How many types and devices are listed; there may be thousands. */
#define TYPES_NAMED 8
#define DEVICES_NAMED 3

/* Longer names of types are not quoted. */
#define LONGEST_TITLE 64

static enum reason of_errno(int error, enum reason absent)
{
	return file_is_missing(error) ? absent : REASON_UNREADABLE;
}

enum reason reason_find(const struct env *env, const char *parent, const char *type)
{
	_cleanup_free_ char *path = mem_printf(PARENT_CLASS "/%s", parent);
	_cleanup_free_ char *create = mem_printf("%s/create", type);
	_cleanup_free_ char *available = mem_printf("%s/available_instances", type);
	char text[32];

	_cleanup_close_ int parent_fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return of_errno(errno, REASON_NO_PARENT);
	_cleanup_close_ int fd =
		openat(parent_fd, "mdev_supported_types", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return of_errno(errno, REASON_UNREGISTERED);
	/* A type is usable when its files exist: the kernel creates the directory first. */
	if (faccessat(fd, create, F_OK, 0) < 0)
		return of_errno(errno, REASON_NO_TYPE);
	if (file_read_attr(fd, available, text, sizeof(text)) == 0 && strcmp(text, "0") == 0)
		return REASON_NO_INSTANCES;
	return REASON_NONE;
}

enum reason reason_of(const struct snapshot *state, const struct snapshot_parent *here,
		      const char *type)
{
	if (!here || !here->present)
		return state->parents_known == ANSWER_YES ? REASON_NO_PARENT : REASON_UNREADABLE;
	/* Not snapshot_find_type(), which would bring libuuid into all programs. */
	const struct mdev_type *found = types_find_name(here->types, here->n_types, type);
	if (!found)
		return here->has_types == ANSWER_UNKNOWN ? REASON_UNREADABLE : REASON_NO_TYPE;
	return found->counted && found->available == 0 ? REASON_NO_INSTANCES : REASON_NONE;
}

/* Whether the digits of both words are the same. Another number of a type is another size. */
static bool same_digits(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a && !isdigit((unsigned char)*a))
			a++;
		while (*b && !isdigit((unsigned char)*b))
			b++;
		if (!*a || !*b || *a != *b)
			return *a == *b;
	}
}

static void try_type(struct suggestion *suggestion, const char *name)
{
	if (name && same_digits(suggestion->word, name))
		suggest_try(suggestion, name);
}

static void list_types(const struct mdev_type *types, size_t n, struct error *err)
{
	size_t i;

	for (i = 0; i < n && i < TYPES_NAMED; i++) {
		const char *title = types[i].title;
		bool quoted = title && strlen(title) <= LONGEST_TITLE;

		error_append(err, "%s%s%s%s%s", i == 0 ? ". It supports " : ", ", types[i].name,
			     quoted ? " (" : "", quoted ? title : "", quoted ? ")" : "");
	}
	if (n > i)
		error_append(err, " and %zu more", n - i);
	if (n == 0)
		error_append(err, ". It does not support any types");
}

static int no_type(const char *parent, const char *type, const struct mdev_type *types, size_t n,
		   struct error *err)
{
	struct suggestion suggestion = { .word = type };

	error_set(err, STATUS_NOT_FOUND, "Parent %s does not support mdev type %s", parent, type);
	for (size_t i = 0; i < n; i++) {
		try_type(&suggestion, types[i].name);
		try_type(&suggestion, types[i].title);
	}
	_cleanup_free_ char *question = suggest_question(&suggestion);
	if (*question)
		error_append(err, "%s", question);
	else
		list_types(types, n, err);
	return -1;
}

char *reason_running(const char *label, const struct mdev_list *running, const char *parent)
{
	char *text = NULL;
	size_t n = 0;

	for (size_t i = 0; i < running->n; i++)
		if (strcmp(running->v[i].parent, parent) == 0 && n++ < DEVICES_NAMED)
			text_append(&text, ", ", "%s%s (%s)", n == 1 ? label : "",
				    running->v[i].uuid, running->v[i].type);
	if (n > DEVICES_NAMED)
		text_append(&text, "", " and %zu more", n - DEVICES_NAMED);
	return text ? text : mem_text("");
}

/* Sets the error for a reason other than REASON_NO_PARENT. The n types and the running devices are
 * those that the sentence for this reason names. */
static int set(enum reason reason, const char *parent, const char *type,
	       const struct mdev_type *types, size_t n, const struct mdev_list *running,
	       struct error *err)
{
	if (reason == REASON_UNREGISTERED)
		return error_set(err, STATUS_NOT_FOUND,
				 "Parent %s is not currently registered for mdev support", parent);
	if (reason == REASON_NO_TYPE)
		return no_type(parent, type, types, n, err);
	if (reason != REASON_NO_INSTANCES)
		return error_set(err, STATUS_FAILED, "Unable to read the types of parent %s",
				 parent);
	_cleanup_free_ char *others = reason_running("; running devices: ", running, parent);
	return error_set(err, STATUS_NO_INSTANCES, "No available instances of %s on %s%s", type,
			 parent, others);
}

char *reason_no_types(const struct env *env, const char *parent)
{
	if (!parent)
		return absent_all(env);
	if (!parent_present(env, parent))
		return absent_parent(env, parent);
	return mem_printf("Parent %s does not support any types", parent);
}

int reason_set(const struct env *env, enum reason reason, const char *parent, const char *type,
	       struct error *err)
{
	_cleanup_list_ struct mdev_list running = { 0 };
	_cleanup_types_ struct mdev_type_list types = { 0 };
	struct filter filter = { NULL, parent };

	if (reason == REASON_NO_PARENT) {
		_cleanup_free_ char *why = absent_parent(env, parent);
		return error_set(err, STATUS_NOT_FOUND, "%s", why);
	}
	if (reason == REASON_NO_TYPE)
		types_find(env, parent, &types);
	if (reason == REASON_NO_INSTANCES)
		active_find(env, &filter, &running);
	return set(reason, parent, type, types.v, types.n, &running, err);
}

int reason_set_of(const struct snapshot *state, const struct snapshot_parent *here,
		  enum reason reason, const char *type, struct error *err)
{
	return set(reason, here->name, type, here->types, here->n_types, &state->running, err);
}

char *reason_words(enum reason reason, const char *absent)
{
	static const char *const words[] = {
		[REASON_NONE] = "not started",
		[REASON_UNREADABLE] = "types cannot be read",
		[REASON_UNREGISTERED] = "type not supported",
		[REASON_NO_TYPE] = "type not supported",
		[REASON_NO_INSTANCES] = "no available instances",
	};

	if (reason == REASON_NO_PARENT)
		return mem_printf("parent %s", absent ? absent : "not present");
	return mem_text(words[reason]);
}

int reason_resolve_type(const struct env *env, const char *parent, const char **name,
			struct error *err)
{
	_cleanup_types_ struct mdev_type_list list = { 0 };
	const struct mdev_type *type;

	if (name_valid(*name) &&
	    (!env_has(env, PARENT_CLASS "/%s/mdev_supported_types", parent) ||
	     env_has(env, PARENT_CLASS "/%s/mdev_supported_types/%s", parent, *name)))
		return 0;
	types_find(env, parent, &list);
	if (types_match(list.v, list.n, *name, &type, err) < 0)
		return -1;
	if (type)
		*name = type->name;
	else if (!name_valid(*name))
		return reason_set(env,
				  parent_present(env, parent) ? REASON_NO_TYPE : REASON_NO_PARENT,
				  parent, *name, err);
	return 0;
}

char *reason_renamed(const struct mdev *dev, const char *title)
{
	_cleanup_free_ char *was = json_unknown_string(dev, JSON_TYPE_NAME);

	if (!was || !title || strcmp(was, title) == 0)
		return NULL;
	return mem_printf("%s was '%s' and is now '%s'", dev->type, was, title);
}

void reason_check_name(const struct env *env, const struct mdev *dev)
{
	_cleanup_free_ char *path =
		mem_printf(PARENT_CLASS "/%s/mdev_supported_types/%s/name", dev->parent, dev->type);
	char title[4096 + 1];

	if (!dev->unknown || file_read_attr(env->root, path, title, sizeof(title)) < 0)
		return;
	_cleanup_free_ char *words = reason_renamed(dev, title);
	if (words)
		log_warning("Device %s may not be what it was defined as: type %s", dev->uuid,
			    words);
}
