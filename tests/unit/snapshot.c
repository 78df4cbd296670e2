/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* view/snapshot: both sets, parents and types, joined; which state each device is in, and why. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "view/snapshot.h"

#define A "aaaaaaaa-0000-4000-8000-000000000000"
#define B "bbbbbbbb-0000-4000-8000-000000000000"
#define C "cccccccc-0000-4000-8000-000000000000"

static int failures;

static void expect(bool fact, const char *what, const char *got)
{
	if (fact)
		return;
	printf("failed: %s: '%s'\n", what, got ? got : "(none)");
	failures++;
}

static void make_dirs(const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", file);
	for (char *slash = path; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			exit(2);
	}
}

static void put(const char *path, const char *text)
{
	make_dirs(path);
	FILE *file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		exit(2);
}

static void put_link(const char *path, const char *target)
{
	make_dirs(path);
	if (symlink(target, path) < 0)
		exit(2);
}

static void put_type(const char *dir, const char *available)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/available_instances", dir);
	put(path, available);
	snprintf(path, sizeof(path), "%s/device_api", dir);
	put(path, "vfio-pci\n");
}

/* Two functions of a card, "p" and "q", of which only "p" has types; devices also on "gone". */
static void make_host(void)
{
	put_type("sys/devices/card/p/mdev_supported_types/one", "0\n");
	put_type("sys/devices/card/p/mdev_supported_types/two", "4\n");
	put("sys/devices/card/q/mdev_supported_types/.keep", "");
	unlink("sys/devices/card/q/mdev_supported_types/.keep");
	put_link("sys/class/mdev_bus/p", "../../devices/card/p");
	put_link("sys/class/mdev_bus/q", "../../devices/card/q");
	put_link("sys/devices/card/p/driver", "../../../bus/pci/drivers/nvidia");
	put_link("sys/devices/card/p/physfn", "../0000:41:00.0");

	put_link("sys/devices/card/p/" A "/mdev_type", "../mdev_supported_types/two");
	put_link("sys/bus/mdev/devices/" A, "../../../devices/card/p/" A);
	put("etc/mdevctl.d/p/" A, "{\"mdev_type\":\"one\",\"start\":\"auto\"}");
	put("etc/mdevctl.d/q/" A, "{\"mdev_type\":\"one\",\"start\":\"auto\"}");
	put("etc/mdevctl.d/p/" B, "{\"mdev_type\":\"one\",\"start\":\"auto\"}");
	put("etc/mdevctl.d/p/" C, "{\"mdev_type\":\"two\",\"start\":\"manual\"}");
	put("etc/mdevctl.d/q/" B, "{\"mdev_type\":\"one\",\"start\":\"auto\"}");
	put("etc/mdevctl.d/q/" C, "{");
	put("etc/mdevctl.d/gone/" C, "{\"mdev_type\":\"two\",\"start\":\"auto\"}");
}

static void expect_device(const struct snapshot *state, size_t i, const char *wanted)
{
	char got[PATH_MAX] = "(no such device)";

	if (i < state->n_devices) {
		const struct snapshot_device *dev = &state->devices[i];
		snprintf(got, sizeof(got), "%s %.1s %s %s: %s", dev->parent, dev->uuid,
			 snapshot_type(dev), mdev_state_name(dev->state),
			 dev->reason ? dev->reason : "-");
	}
	expect(strcmp(got, wanted) == 0, wanted, got);
}

static void test_devices(const struct snapshot *state)
{
	expect_device(state, 0, "gone c two missing: parent not present");
	expect_device(state, 1, "p a two differs: defined as one");
	expect_device(state, 2, "p b one missing: no available instances");
	expect_device(state, 3, "p c two stopped: -");
	expect_device(state, 4, "q a one stopped: running on p");
	expect_device(state, 5, "q b one missing: type not supported");
	expect(state->n_devices == 7 && state->devices[6].state == MDEV_BROKEN,
	       "a broken definition", state->devices[6].reason);
}

static void test_parents(const struct snapshot *state)
{
	const struct snapshot_parent *gone = snapshot_find_parent(state, "gone"),
				     *p = snapshot_find_parent(state, "p"),
				     *q = snapshot_find_parent(state, "q");

	expect(state->n_parents == 3 && gone && p && q, "three parents", NULL);
	expect(!gone->present && !gone->driver && gone->n_devices == 1, "an absent parent", NULL);
	expect(p->present && strcmp(p->driver, "nvidia") == 0, "a driver", p->driver);
	expect(p->card && strcmp(p->card, "0000:41:00.0") == 0, "a card", p->card);
	expect(p->n_types == 2 && snapshot_find_type(p, "two")->available == 4, "types", NULL);
	expect(q->present && !q->card && q->n_types == 0 && q->has_types == ANSWER_NO,
	       "a parent without types", q->card);
	expect(!snapshot_find_parent(state, "r") && !snapshot_find_type(p, "three"), "nothing",
	       NULL);
}

int main(void)
{
	char root[] = "/tmp/mdev-state-XXXXXX", command[64];
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	_cleanup_snapshot_ struct snapshot all = { 0 }, some = { 0 };

	if (!mkdtemp(root) || chdir(root) < 0)
		return 2;
	make_host();
	setenv("MDEVCTL_ENV_ROOT", root, 1);
	if (env_open(&env, &err) < 0)
		return 2;
	snapshot_read(&env, &(struct filter){ 0 }, true, &all);
	test_devices(&all);
	test_parents(&all);
	snapshot_read(&env, &(struct filter){ .uuid = A }, false, &some);
	expect_device(&some, 0, "p a two differs: defined as one");
	expect(some.n_devices == 2 && some.types.n == 0, "no types are read in vain", NULL);
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command) != 0 || failures != 0;
}
