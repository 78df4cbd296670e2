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
    type: dict
  definitions:
    description:
      - Definitions, as printed by C(mdevctl list --defined --dumpjson).
      - Devices that are not listed are not changed.
    type: list
    elements: dict
  wait:
    description:
      - Seconds to wait until devices that should be stopped are not in use.
    type: int
attributes:
  check_mode:
    description: Can run in check mode and return what would be changed.
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
  description: Reasons why the host does not match the description, and notes.
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


def states(changes):
    """Return the changed devices, before and after, as texts for a diff."""
    before, after = {}, {}
    for change in changes:
        if change["status"] != 0:
            continue
        name = "%s/%s" % (change["parent"], change["uuid"])
        before.setdefault(name, {"definition": change["before"]})
        after.setdefault(name, {})["definition"] = change["after"]
        if change["action"] in ("start", "stop"):
            before[name].setdefault("running", change["action"] == "stop")
            after[name]["running"] = change["action"] == "start"
    return [json.dumps(state, indent=2, sort_keys=True) + "\n" for state in (before, after)]


def main():
    module = AnsibleModule(
        argument_spec={
            "sets": {"type": "dict"},
            "definitions": {"type": "list", "elements": "dict"},
            "wait": {"type": "int"},
        },
        mutually_exclusive=[("sets", "definitions")],
        required_one_of=[("sets", "definitions")],
        supports_check_mode=True,
    )
    params = module.params
    described = params["definitions"] if params["sets"] is None else params["sets"]
    command = [module.get_bin_path("mdevctl", required=True, opt_dirs=["/usr/sbin"]), "apply", "--json"]
    if module.check_mode:
        command.append("--dry-run")
    if params["wait"] is not None:
        command.append("--wait=%d" % params["wait"])
    code, out, err = module.run_command(command + ["-"], data=json.dumps(described))
    try:
        answer = json.loads(out)
    except ValueError:
        module.fail_json(msg=err.strip() or "mdevctl apply printed no JSON", rc=code)

    result = {name: answer[name] for name in ("changed", "changes", "problems", "status")}
    if module._diff:
        before, after = states(answer["changes"])
        result["diff"] = {"before": before, "after": after}
    for problem in answer["problems"]:
        module.warn(problem["error"])
    if answer["error"] is not None:
        module.fail_json(msg=answer["error"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
