#!/usr/bin/python
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Passes the description in a playbook to mdevctl apply."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: mdev
short_description: Make the mediated devices of a host match a description
description:
  - Defines, modifies, undefines, starts and stops mediated devices until the host matches the description.
  - Passes its arguments to C(mdevctl apply); see mdev-apply(8) for their meaning.
  - Requires mdev-tools and root privileges on the managed host.
options:
  sets:
    description:
      - Sets of devices by name, with the members C(mdev_type), C(start), C(attrs), C(parents), C(count) and C(spread).
      - Sets that are not mentioned are not changed. A set with C(count=0) is removed.
      - C(count) and the values of attributes can be texts or numbers, so that they can be templates.
    type: dict
  definitions:
    description:
      - Definitions, as printed by C(mdevctl list --defined --dumpjson).
      - Devices that are not listed are not changed.
    type: list
    elements: dict
  prune:
    description:
      - Remove the sets of the host that I(sets) does not contain.
      - Only for hosts that are described by one task. Devices that do not belong to a set are not changed.
    type: bool
    default: false
  wait:
    description:
      - Seconds to wait until devices that should be stopped are not in use.
    type: int
attributes:
  check_mode:
    description:
      - Can run in check mode and return what would be changed.
      - If mdev-tools is not installed, check mode reports a change, and a warning.
    support: full
  diff_mode:
    description: Returns the definitions that were changed, before and after.
    support: full
  platform:
    description: Target platforms.
    support: full
    platforms: linux
author:
  - mdev-tools maintainers
"""

EXAMPLES = r"""
- name: A graphics device for each of eight desktops, spread over two cards
  mdev_tools.mdevctl.mdev:
    sets:
      desktops:
        mdev_type: GRID A100D-2-20C
        start: auto
        parents: ["0000:41:*", "0000:81:*"]
        count: 8

- name: These sets and no others
  mdev_tools.mdevctl.mdev:
    sets: "{{ mdev_sets }}"
    prune: true

- name: Restore the definitions of a host
  mdev_tools.mdevctl.mdev:
    definitions: "{{ lookup('file', 'host1.json') | from_json }}"
"""

RETURN = r"""
changes:
  description: Changes that were made, or would be made, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: define
      uuid: 0c0ff1e5-5b0e-5c38-9f6d-2a8e7b1c0d95
      parent: "0000:41:00.4"
      mdev_type: nvidia-700
      set: desktops
      index: 3
      before: null
      after: {mdev_type: nvidia-700, start: auto, attrs: []}
      status: 0
      error: null
problems:
  description: Reasons why the host does not match the description, and notes. They are also warnings.
  returned: always
  type: list
  elements: dict
status:
  description: Exit status of C(mdevctl apply).
  returned: always
  type: int
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mdev_tools.mdevctl.plugins.module_utils.mdevctl import find, run


def converted(module, value):
    """Return the description with the types that mdevctl expects: templates make texts of numbers."""
    if isinstance(value, list):
        return [converted(module, item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        if key == "count" and isinstance(item, str) and item.strip().isdigit():
            item = int(item)
        elif key == "attrs" and isinstance(item, list):
            item = [attribute(module, entry) for entry in item]
        else:
            item = converted(module, item)
        result[key] = item
    return result


def attribute(module, entry):
    """Return an entry of attrs with its value as a text."""
    if not isinstance(entry, dict):
        return entry
    for name, value in entry.items():
        if isinstance(value, bool):
            module.fail_json(msg="The value of attribute '%s' must be quoted: YAML reads it as %s" % (name, value))
    return dict((name, str(value) if isinstance(value, (int, float)) else value) for name, value in entry.items())


def states(changes):
    """Return the changed devices, before and after, as texts for a diff."""
    before, after = {}, {}
    for change in changes:
        if change["status"] != 0:
            continue
        name = "%s/%s" % (change["parent"], change["uuid"])
        before.setdefault(name, {"definition": change["before"]})
        after.setdefault(name, {"definition": change["after"]})
        if change["action"] in ("start", "stop"):
            before[name].setdefault("running", change["action"] == "stop")
            after[name]["running"] = change["action"] == "start"
        else:
            after[name]["definition"] = change["after"]
    return [json.dumps(state, indent=2, sort_keys=True) + "\n" for state in (before, after)]


def main():
    module = AnsibleModule(
        argument_spec={
            "sets": {"type": "dict"},
            "definitions": {"type": "list", "elements": "dict"},
            "prune": {"type": "bool", "default": False},
            "wait": {"type": "int"},
        },
        mutually_exclusive=[("sets", "definitions")],
        required_one_of=[("sets", "definitions")],
        supports_check_mode=True,
    )
    params = module.params
    program = find(module, "mdev-apply")
    if program is None:
        module.exit_json(changed=True, changes=[], problems=[], status=0)
    described = params["definitions"] if params["sets"] is None else params["sets"]
    command = [program, "--json"]
    if module.check_mode:
        command.append("--dry-run")
    if params["prune"]:
        command.append("--prune")
    if params["wait"] is not None:
        command.append("--wait=%d" % params["wait"])
    answer, _said = run(module, command + ["-"], data=json.dumps(converted(module, described)))

    result = dict((name, answer[name]) for name in ("changed", "changes", "problems", "status"))
    if module._diff:
        before, after = states(answer["changes"])
        result["diff"] = {"before": before, "after": after}
    reasons = [change["error"] for change in answer["changes"] if change["status"] != 0]
    reasons += [problem["error"] for problem in answer["problems"] if problem["status"] != 0]
    notes = [problem["error"] for problem in answer["problems"] if problem["status"] == 0]
    for text in reasons + notes:
        module.warn(text)
    if answer["error"] is not None:
        module.fail_json(msg=(reasons + [answer["error"]])[0], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
