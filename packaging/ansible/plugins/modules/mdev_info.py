#!/usr/bin/python
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Returns what mdevctl status prints."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: mdev_info
short_description: Collect the state of the mediated devices of a host
description:
  - Returns parents, their types and devices, and who uses the devices.
  - Runs C(mdevctl status --json); see mdev-status(8) for the meaning of the values.
  - Requires mdev-tools on the managed host. Without root privileges, the users of devices may be unknown.
options:
  parent:
    description: Only this parent, or the parents of this card.
    type: str
  uuid:
    description: Only the device with this UUID.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and return the same.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Target platforms.
    support: full
    platforms: linux
author:
  - mdev-tools maintainers
"""

EXAMPLES = r"""
- name: Read the state of the devices
  mdev_tools.mdevctl.mdev_info:
  register: mdev

- name: Fail if a device that should be running is not
  ansible.builtin.assert:
    that: mdev.parents | map(attribute='devices') | flatten | selectattr('state', 'eq', 'missing') | length == 0
"""

RETURN = r"""
parents:
  description: Parents with their types and devices.
  returned: always
  type: list
  elements: dict
vfs:
  description: PCI functions that the NVIDIA driver turns into vGPUs without mediated devices.
  returned: always
  type: list
  elements: dict
unseen:
  description: Why the users of some devices are unknown; null if all are known.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mdev_tools.mdevctl.plugins.module_utils.mdevctl import find, run


def main():
    module = AnsibleModule(
        argument_spec={"parent": {"type": "str"}, "uuid": {"type": "str"}},
        supports_check_mode=True,
    )
    program = find(module, "mdev-status")
    if program is None:
        module.exit_json(changed=False, parents=[], vfs=[], unseen=None)
    command = [program, "--json"]
    for name in ("parent", "uuid"):
        if module.params[name] is not None:
            command.append("--%s=%s" % (name, module.params[name]))
    state, said = run(module, command)
    if said:
        module.warn(said)
    module.exit_json(changed=False, **state)


if __name__ == "__main__":
    main()
