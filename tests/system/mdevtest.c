// SPDX-License-Identifier: GPL-2.0
/*
 * Parents of mediated devices that do what a test asks of them.
 *
 * /sys/devices/platform/mdevtest.N is a parent with these attributes:
 *
 *   registered   1 or 0: registered as a parent or not. The platform device itself stays.
 *   capacity     units to share: a device of type platform-small takes 1, platform-large 4
 *   delay        milliseconds that a creation takes
 *   attr_hold    1: writes to attributes of devices wait until it is 0 again
 *   held         how many writes are waiting
 *   refuse       "ERRNO" refuses every creation, "ERRNO UUID" this one, "0" none; each refusal is
 *                logged with the UUID
 *
 * A device has attributes that judge what is written, as those of vfio_ap do: assign_adapter,
 * unassign_adapter, assign_domain, unassign_domain take a number up to 255 (else EINVAL); what
 * would give two devices of one parent the same adapter and domain fails with EADDRINUSE, for a
 * reason that is logged. matrix shows what is assigned.
 *
 * Module parameters: parents (how many), registered, capacity, delay (what they begin with).
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vfio.h>

#define MAX_PARENTS 16
#define MATRIX_BITS 256

static unsigned int parents = 2;
module_param(parents, uint, 0444);
static bool registered = true;
module_param(registered, bool, 0444);
static unsigned int capacity = 8;
module_param(capacity, uint, 0444);
static unsigned int delay;
module_param(delay, uint, 0444);

struct type {
	struct mdev_type mdev;
	unsigned int units;
};

/*
 * The core wants everything zeroed, and late users of the last registration may still hold its
 * type: so every registration gets its own memory, and that is never freed. It is a test.
 */
struct registration {
	struct mdev_parent mdev;
	struct type small, large;
	struct mdev_type *types[2];
};

struct parent {
	struct platform_device *pdev;
	struct mutex reg_lock;	  /* protects reg; held over (un)registration */
	struct registration *reg; /* NULL while not registered */
	struct mutex lock;	  /* protects what follows, and the bitmaps of the devices */
	unsigned int capacity, used, delay, attr_hold;
	unsigned int refuse_errno;
	guid_t refuse_uuid; /* null: refuse all */
	atomic_t held;
	struct list_head devices;
};

struct device_state {
	struct vfio_device vdev;
	struct list_head node;
	struct parent *parent;
	unsigned int units;
	DECLARE_BITMAP(adapters, MATRIX_BITS);
	DECLARE_BITMAP(domains, MATRIX_BITS);
};

static struct parent parent_of[MAX_PARENTS];

/* The vfio device */

static int mdevtest_init_dev(struct vfio_device *vdev)
{
	struct device_state *state = container_of(vdev, struct device_state, vdev);
	struct mdev_device *mdev = to_mdev_device(vdev->dev);
	struct parent *parent = dev_get_drvdata(mdev->type->parent->dev);
	unsigned int units = container_of(mdev->type, struct type, mdev)->units;
	int ret = 0;

	mutex_lock(&parent->lock);
	if (parent->used + units > parent->capacity) {
		ret = -ENOSPC;
	} else {
		parent->used += units;
		state->units = units;
		state->parent = parent;
		list_add(&state->node, &parent->devices);
	}
	mutex_unlock(&parent->lock);
	return ret;
}

static void mdevtest_release_dev(struct vfio_device *vdev)
{
	struct device_state *state = container_of(vdev, struct device_state, vdev);

	mutex_lock(&state->parent->lock);
	list_del(&state->node);
	state->parent->used -= state->units;
	mutex_unlock(&state->parent->lock);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	vfio_free_device(vdev);
#endif
}

static long mdevtest_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct vfio_device_info info = {};
	unsigned long minsz = offsetofend(struct vfio_device_info, num_irqs);

	if (cmd != VFIO_DEVICE_GET_INFO)
		return -ENOTTY;
	info.argsz = minsz;
	info.flags = VFIO_DEVICE_FLAGS_PLATFORM;
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static const struct vfio_device_ops mdevtest_dev_ops = {
	.name = "mdevtest",
	.init = mdevtest_init_dev,
	.release = mdevtest_release_dev,
	.ioctl = mdevtest_ioctl,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
};

/* Attributes of a device */

static bool matrix_is_free(struct device_state *state, unsigned long *adapters,
			   unsigned long *domains)
{
	struct device_state *other;

	list_for_each_entry (other, &state->parent->devices, node)
		if (other != state && bitmap_intersects(adapters, other->adapters, MATRIX_BITS) &&
		    bitmap_intersects(domains, other->domains, MATRIX_BITS))
			return false;
	return true;
}

/* Regardless of signals, even SIGKILL. */
static void hold_attr(struct parent *parent)
{
	atomic_inc(&parent->held);
	while (READ_ONCE(parent->attr_hold))
		msleep(10);
	atomic_dec(&parent->held);
}

static ssize_t matrix_change(struct device *dev, const char *buf, size_t count, bool adapter,
			     bool assign)
{
	struct device_state *state = dev_get_drvdata(dev);
	unsigned long *map = adapter ? state->adapters : state->domains;
	DECLARE_BITMAP(wanted, MATRIX_BITS);
	u8 id;

	if (kstrtou8(buf, 0, &id))
		return -EINVAL;

	hold_attr(state->parent);
	mutex_lock(&state->parent->lock);
	bitmap_copy(wanted, map, MATRIX_BITS);
	if (assign)
		set_bit(id, wanted);
	else
		clear_bit(id, wanted);
	if (matrix_is_free(state, adapter ? wanted : state->adapters,
			   adapter ? state->domains : wanted)) {
		bitmap_copy(map, wanted, MATRIX_BITS);
	} else {
		dev_warn(dev, "%s %u is taken\n", adapter ? "adapter" : "domain", id);
		count = -EADDRINUSE;
	}
	mutex_unlock(&state->parent->lock);
	return count;
}

#define MATRIX_ATTR(name, adapter, assign)                                                         \
	static ssize_t name##_store(struct device *dev, struct device_attribute *attr,             \
				    const char *buf, size_t count)                                 \
	{                                                                                          \
		return matrix_change(dev, buf, count, adapter, assign);                            \
	}                                                                                          \
	static DEVICE_ATTR_WO(name)

MATRIX_ATTR(assign_adapter, true, true);
MATRIX_ATTR(unassign_adapter, true, false);
MATRIX_ATTR(assign_domain, false, true);
MATRIX_ATTR(unassign_domain, false, false);

static ssize_t matrix_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct device_state *state = dev_get_drvdata(dev);
	unsigned int adapter, domain;
	ssize_t n = 0;

	mutex_lock(&state->parent->lock);
	for_each_set_bit (adapter, state->adapters, MATRIX_BITS) {
		if (bitmap_empty(state->domains, MATRIX_BITS))
			n += sysfs_emit_at(buf, n, "%02x.\n", adapter);
		for_each_set_bit (domain, state->domains, MATRIX_BITS)
			n += sysfs_emit_at(buf, n, "%02x.%04x\n", adapter, domain);
	}
	if (bitmap_empty(state->adapters, MATRIX_BITS))
		for_each_set_bit (domain, state->domains, MATRIX_BITS)
			n += sysfs_emit_at(buf, n, ".%04x\n", domain);
	mutex_unlock(&state->parent->lock);
	return n;
}
static DEVICE_ATTR_RO(matrix);

static struct attribute *mdevtest_dev_attrs[] = {
	&dev_attr_assign_adapter.attr, &dev_attr_unassign_adapter.attr,
	&dev_attr_assign_domain.attr,  &dev_attr_unassign_domain.attr,
	&dev_attr_matrix.attr,	       NULL
};
ATTRIBUTE_GROUPS(mdevtest_dev);

/* The mdev driver */

static bool is_refused(struct parent *parent, struct mdev_device *mdev)
{
	return parent->refuse_errno && (guid_is_null(&parent->refuse_uuid) ||
					guid_equal(&parent->refuse_uuid, &mdev->uuid));
}

static int mdevtest_probe(struct mdev_device *mdev)
{
	struct parent *parent = dev_get_drvdata(mdev->type->parent->dev);
	struct device_state *state;
	int ret;

	msleep(READ_ONCE(parent->delay));
	mutex_lock(&parent->lock);
	ret = is_refused(parent, mdev) ? -parent->refuse_errno : 0;
	mutex_unlock(&parent->lock);
	if (ret) {
		dev_warn(&mdev->dev, "firmware refused the device, status 0x%x\n", -ret);
		return ret;
	}

	state = vfio_alloc_device(device_state, vdev, &mdev->dev, &mdevtest_dev_ops);
	if (IS_ERR(state))
		return PTR_ERR(state);
	dev_set_drvdata(&mdev->dev, state);
	ret = vfio_register_emulated_iommu_dev(&state->vdev);
	if (ret)
		vfio_put_device(&state->vdev);
	return ret;
}

static void mdevtest_remove(struct mdev_device *mdev)
{
	struct device_state *state = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&state->vdev);
	vfio_put_device(&state->vdev);
}

static unsigned int mdevtest_get_available(struct mdev_type *mtype)
{
	struct parent *parent = dev_get_drvdata(mtype->parent->dev);
	unsigned int units = container_of(mtype, struct type, mdev)->units;
	unsigned int n;

	mutex_lock(&parent->lock);
	n = parent->used < parent->capacity ? (parent->capacity - parent->used) / units : 0;
	mutex_unlock(&parent->lock);
	return n;
}

static struct mdev_driver mdevtest_driver = {
	.device_api = VFIO_DEVICE_API_PLATFORM_STRING,
	.driver = {
		.name = "mdevtest",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = mdevtest_dev_groups,
	},
	.probe = mdevtest_probe,
	.remove = mdevtest_remove,
	.get_available = mdevtest_get_available,
};

/* Parents and their attributes */

static int set_registered(struct parent *parent, bool wanted)
{
	struct registration *reg;
	int ret = 0;

	mutex_lock(&parent->reg_lock);
	if (!wanted && parent->reg) {
		mdev_unregister_parent(&parent->reg->mdev);
		parent->reg = NULL;
	} else if (wanted && !parent->reg) {
		ret = -ENOMEM;
		reg = kzalloc(sizeof(*reg), GFP_KERNEL);
		if (reg) {
			reg->small = (struct type){ .mdev.sysfs_name = "small", .units = 1 };
			reg->large = (struct type){ .mdev.sysfs_name = "large", .units = 4 };
			reg->types[0] = &reg->small.mdev;
			reg->types[1] = &reg->large.mdev;
			ret = mdev_register_parent(&reg->mdev, &parent->pdev->dev, &mdevtest_driver,
						   reg->types, 2);
		}
		if (!ret)
			parent->reg = reg;
	}
	mutex_unlock(&parent->reg_lock);
	return ret;
}

static ssize_t registered_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct parent *parent = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", READ_ONCE(parent->reg) != NULL);
}

static ssize_t registered_store(struct device *dev, struct device_attribute *attr, const char *buf,
				size_t count)
{
	bool wanted;

	return kstrtobool(buf, &wanted) ?: set_registered(dev_get_drvdata(dev), wanted) ?: count;
}
static DEVICE_ATTR_RW(registered);

static ssize_t refuse_store(struct device *dev, struct device_attribute *attr, const char *buf,
			    size_t count)
{
	struct parent *parent = dev_get_drvdata(dev);
	char text[UUID_STRING_LEN + 1] = "";
	guid_t uuid = GUID_INIT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	unsigned int number;
	int n = sscanf(buf, "%u %36s", &number, text);

	if (n < 1 || number > MAX_ERRNO || (n == 2 && guid_parse(text, &uuid)))
		return -EINVAL;
	mutex_lock(&parent->lock);
	parent->refuse_errno = number;
	parent->refuse_uuid = uuid;
	mutex_unlock(&parent->lock);
	return count;
}
static DEVICE_ATTR_WO(refuse);

#define NUMBER_ATTR(name)                                                                          \
	static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)   \
	{                                                                                          \
		struct parent *parent = dev_get_drvdata(dev);                                      \
                                                                                                   \
		return sysfs_emit(buf, "%u\n", READ_ONCE(parent->name));                           \
	}                                                                                          \
	static ssize_t name##_store(struct device *dev, struct device_attribute *attr,             \
				    const char *buf, size_t count)                                 \
	{                                                                                          \
		struct parent *parent = dev_get_drvdata(dev);                                      \
                                                                                                   \
		return kstrtouint(buf, 0, &parent->name) ?: count;                                 \
	}                                                                                          \
	static DEVICE_ATTR_RW(name)

NUMBER_ATTR(capacity);
NUMBER_ATTR(delay);
NUMBER_ATTR(attr_hold);

static ssize_t held_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct parent *parent = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&parent->held));
}
static DEVICE_ATTR_RO(held);

static struct attribute *mdevtest_parent_attrs[] = { &dev_attr_registered.attr,
						     &dev_attr_capacity.attr,
						     &dev_attr_delay.attr,
						     &dev_attr_attr_hold.attr,
						     &dev_attr_held.attr,
						     &dev_attr_refuse.attr,
						     NULL };
ATTRIBUTE_GROUPS(mdevtest_parent);

static int add_parent(struct parent *parent, int id)
{
	int ret = -ENOMEM;

	mutex_init(&parent->reg_lock);
	mutex_init(&parent->lock);
	INIT_LIST_HEAD(&parent->devices);
	parent->capacity = capacity;
	parent->delay = delay;
	parent->pdev = platform_device_alloc("mdevtest", id);
	if (parent->pdev) {
		parent->pdev->dev.groups = mdevtest_parent_groups;
		platform_set_drvdata(parent->pdev, parent);
		ret = platform_device_add(parent->pdev);
	}
	if (!ret)
		return registered ? set_registered(parent, true) : 0;
	platform_device_put(parent->pdev);
	parent->pdev = NULL;
	return ret;
}

static void mdevtest_exit(void)
{
	unsigned int i;

	for (i = 0; i < MAX_PARENTS && parent_of[i].pdev; i++) {
		set_registered(&parent_of[i], false);
		platform_device_unregister(parent_of[i].pdev);
	}
	mdev_unregister_driver(&mdevtest_driver);
}

static int __init mdevtest_init(void)
{
	unsigned int i;
	int ret = mdev_register_driver(&mdevtest_driver);

	if (ret)
		return ret;
	for (i = 0; i < min(parents, (unsigned int)MAX_PARENTS) && !ret; i++)
		ret = add_parent(&parent_of[i], i);
	if (ret)
		mdevtest_exit();
	return ret;
}

module_init(mdevtest_init);
module_exit(mdevtest_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Parents of mediated devices that do what a test asks of them");
