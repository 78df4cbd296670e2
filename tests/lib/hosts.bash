# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2016,SC2034 # $ is for jq; variables are for the tests
# Hosts of all kinds for tests of status, and what its output has to be like. Loaded after world.bash.

# Removes all parents from the host.
no_parents() {
	rm -r "$SYS/class/mdev_bus"/* "$SYS/devices/virtual"/*
}

# add_link PATH TARGET, PATH below $SYS.
add_link() {
	[[ -d $SYS/${1%/*} ]] || mkdir -p "$SYS/${1%/*}"
	ln -s "$2" "$SYS/$1"
}

# add_card NAME FUNCTIONS TYPES: adds a card with the NVIDIA driver whose functions support TYPES types each
# and share its resources and the files of its types: no instances of the first one are available.
add_card() {
	untraced fill_card "$@"
}

fill_card() {
	local bus=${1%:*} i type names vf all=() types
	for ((i = 4; i < $2 + 4; i++)); do
		printf -v vf '%s:%02x.%x' "$bus" $((i / 8)) $((i % 8))
		all+=("$SYS/devices/pci/$vf")
	done
	mkdir -p "${all[@]}"
	ln -s ../../../bus/pci/drivers/nvidia "${all[0]}/driver"
	ln -s "../$1" "${all[0]}/physfn"
	types=${all[0]}/mdev_supported_types
	mapfile -t names < <(seq 700 $((699 + $3)))
	mkdir -p "${names[@]/#/$types/nvidia-}"
	for type in "${names[@]}"; do
		echo $((type > 700)) >"$types/nvidia-$type/available_instances"
		echo vfio-pci >"$types/nvidia-$type/device_api"
		echo "NVIDIA A100-$((type - 696))C" >"$types/nvidia-$type/name"
	done
	for vf in "${all[@]:1}"; do
		cp -rl "$types" "$vf/"
		cp -P "${all[0]}"/{driver,physfn} "$vf/"
	done
	ln -s -t "$SYS/class/mdev_bus" "${all[@]/#"$SYS"/../..}"
}

# add_running PARENT UUID TYPE [GROUP [VFIO]]: adds a running device, regardless of the types of the parent,
# with these VFIO names.
add_running() {
	local real
	real=$(realpath --relative-to="$SYS" "$SYS/class/mdev_bus/$1")/$2
	add_link "$real/mdev_type" "../mdev_supported_types/$3"
	add_link "bus/mdev/devices/$2" "../../../$real"
	[[ -z ${4:-} ]] || add_group "$real" "$4"
	[[ -z ${5:-} ]] || add_vfio "$real" "$5"
}

# add_group DIRECTORY NUMBER, add_vfio DIRECTORY NUMBER: DIRECTORY is a device below $SYS.
add_group() {
	add_link "$1/iommu_group" "../../../kernel/iommu_groups/$2"
	mkdir -p "$ROOT/dev/vfio"
	: >"$ROOT/dev/vfio/$2"
}

add_vfio() {
	mkdir -p "$SYS/$1/vfio-dev/vfio$2" "$ROOT/dev/vfio/devices"
	echo "511:$2" >"$SYS/$1/vfio-dev/vfio$2/dev"
	: >"$ROOT/dev/vfio/devices/vfio$2"
}

# add_process PID COMMAND [FILE...]: adds a process that has these files of the host open.
add_process() {
	local pid=$1 fd=3
	mkdir -p "$PROC/$pid/fd" "$PROC/$pid/fdinfo"
	printf '%s\n' "$2" >"$PROC/$pid/comm"
	shift 2
	for file; do
		ln -s "$ROOT$file" "$PROC/$pid/fd/$fd"
		printf 'pos:\t0\nflags:\t02100002\n' >"$PROC/$pid/fdinfo/$fd"
		fd=$((fd + 1))
	done
}

# add_vf CARD FUNCTION TYPE [TYPES]: adds a function of the NVIDIA driver without mediated devices.
add_vf() {
	local vf=${1%.*}.$2
	mkdir -p "$SYS/bus/pci/devices/$vf/nvidia"
	echo "$3" >"$SYS/bus/pci/devices/$vf/nvidia/current_vgpu_type"
	printf '%s\n' "${4:-}" >"$SYS/bus/pci/devices/$vf/nvidia/creatable_vgpu_types"
	add_link "bus/pci/devices/$vf/driver" ../../../bus/pci/drivers/nvidia
	add_link "bus/pci/devices/$vf/physfn" "../$1"
}

two_gpus() {
	no_parents
	add_card 0000:41:00.0 32 20
	add_card 0000:81:00.0 32 20
	definition 0000:41:00.4 "$U1" nvidia-700 auto
	add_running 0000:41:00.4 "$U1" nvidia-700 7
	add_proc
	add_process 4711 qemu-system-x86 /dev/vfio/7
	printf '/usr/bin/qemu-system-x86_64\0-name\0guest=vm7,debug-threads=on\0-S\0' >"$PROC/4711/cmdline"
	definition 0000:c1:00.0 "$U2" nvidia-700 auto
}

gpu_with_vfs() {
	local types=$'ID    : vGPU Name\n1428  : NVIDIA H200X-141C\n1414  : NVIDIA H200X-1-18C'
	no_parents
	add_vf 0000:41:00.0 4 1414
	add_vf 0000:41:00.0 5 0 "$types"
	add_vf 0000:41:00.0 6 0 "$types"
	add_vfio bus/pci/devices/0000:41:00.4 3
	add_proc
	add_process 4712 kvm /dev/vfio/devices/vfio3
	printf 'kvm\0-id\0100\0-name\0web,,1,debug-threads=on\0' >"$PROC/4712/cmdline"
}

s390() {
	rm -r "$SYS/class/mdev_bus/mtty"
	add_type 0.0.0313 vfio_ccw-io 1 vfio-ccw "I/O subchannel (Non-QDIO)"
	add_type 0.0.0314 vfio_ccw-io 0 vfio-ccw "I/O subchannel (Non-QDIO)"
	add_type 0.0.0315 vfio_ccw-io 1 vfio-ccw "I/O subchannel (Non-QDIO)"
	local parent
	for parent in 0.0.0313 0.0.0314 0.0.0315; do
		add_link "devices/virtual/$parent/$parent/driver" ../../../bus/css/drivers/vfio_ccw
	done
	add_running 0.0.0314 "$U1" vfio_ccw-io
	definition matrix "$U2" vfio_ap-passthrough manual '[{"assign_adapter": "5"}, {"assign_domain": "0xab"}]'
}

broken() {
	definition mtty "$U1" mtty-1
	echo '{' >"$D/mtty/$U1"
	definition mtty "$U2" mtty-3 auto
	definition mtty "$U3" mtty-2 manual
	add_running mtty "$U3" mtty-1
}

# unprintable FILE: it has control characters, or bytes that are not UTF-8.
unprintable() {
	! iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 ||
		LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$1"
}

# The schema: all keys, in this order, and their possible values.
SCHEMA='
def text: type == "string" and length > 0;
def maybe(f): . == null or f;
def answer: maybe(type == "boolean");
def count: type == "number" and . >= 0 and floor == .;
def has($keys): type == "object" and keys_unsorted == $keys;
def all_of(f): type == "array" and all(.[]; f);
def user: has(["pid", "command", "guest"]) and (.pid | count) and (.command | maybe(text)) and (.guest | maybe(text));
def use: (.in_use | answer) and (.used_by | maybe(user)) and ((.used_by != null) == (.in_use == true));
def mdev_type: has(["mdev_type", "name", "description", "device_api", "available_instances"])
	and (.mdev_type | text) and (.name | maybe(text)) and (.description | maybe(text))
	and (.device_api | maybe(text)) and (.available_instances | maybe(count));
def entry: has(["time", "source", "text"]) and (.time | test("^[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9:]{8}Z$"))
	and (.source | text) and (.text | maybe(text));
def device: (if $log == [] then true else (.log | all_of(entry) and length <= 10) end) and has(["uuid", "mdev_type", "defined_type", "state", "reason", "defined", "active", "start", "attrs",
		"vfio_group", "vfio_device", "in_use", "used_by", "set"] + $log)
	and (.uuid | test("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
	and (.mdev_type | maybe(text)) and (.defined_type | maybe(text))
	and ([.state] | inside(["unknown", "broken", "incomplete", "differs", "missing", "running", "stopped"]))
	and (.reason | maybe(text)) and (.defined | answer) and (.active | answer)
	and ([.start] | inside(["auto", "manual", null]))
	and (.attrs | maybe(all_of(type == "object" and length == 1 and all(.[]; type == "string"))))
	and (.vfio_group | maybe(startswith("/dev/vfio/"))) and (.vfio_device | maybe(startswith("/dev/vfio/devices/")))
	and use and (.set | maybe(text));
def parent: has(["parent", "present", "driver", "card", "types", "devices"])
	and (.parent | text) and (.present | answer) and (.driver | maybe(text)) and (.card | maybe(text))
	and (.types | maybe(all_of(mdev_type))) and (.devices | all_of(device));
def vf: has(["vf", "card", "driver", "vgpu_type", "vgpu_name", "in_use", "used_by"])
	and (.vf | text) and (.card | maybe(text)) and (.driver | maybe(text)) and (.vgpu_type | maybe(count))
	and (.vgpu_name | maybe(text)) and use;
has(["version", "parents", "vfs", "unseen"]) and .version == 1 and (.parents | all_of(parent)) and (.vfs | all_of(vf)) and (.unseen | maybe(text))'

# valid COMMAND...: its JSON conforms to the schema; that of one device or parent has its log.
valid() {
	local log='[]'
	[[ $* != *" -u "* && $* != *" -p "* ]] || log='["log"]'
	"$@" >"$BATS_TEST_TMPDIR/json" || (($? == 10 || $? == 1)) || return
	jq --argjson log "$log" -e "$SCHEMA" "$BATS_TEST_TMPDIR/json" >/dev/null || {
		cat "$BATS_TEST_TMPDIR/json"
		return 1
	}
}
