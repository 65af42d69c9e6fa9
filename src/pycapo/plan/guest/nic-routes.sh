#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nic-routes sync | watch | clear: what is asked on a NIC is answered on that NIC, whatever default routes the guest has.
#
#   facts  $ETC/nic-routes.facts, one address a line, the NIC of the default route first: MAC ADDRESS/PREFIX GATEWAY ("-": none)
#   conf   $ETC/nic-routes.conf, for people, a piece of shell:
#            ALSO="br-ex bond0"  patterns of interfaces that count as NICs although they are no devices
#            MARK_SHIFT=4        where the 4 bits of connection and packet marks begin; empty: no marks
#
# Each NIC has a table (20000 + its index) with its own routes and gateway. The rules, in their order:
#   20000  what leaves by no NIC (pods, tunnels, VPNs) goes as the main table says; CNIs and DHCP own that one, we never touch it
#   20100  replies of connections that came in by a NIC: the table of that NIC (marks; for pods behind NodePorts)
#   20200  what carries the address of a NIC: the table of that NIC
#   20300  destinations that the main table knows without its default routes
#   20301  everything else: the table of the first NIC, so the default routes of main do not compete
# Doing it again changes nothing; new rules are there before old ones go.
set -u
ETC=${ETC:-/etc/pycapo} RUN=${RUN:-/run/pycapo} BASE=20000 GROUP=28771 CHAIN=pycapo_nic_routes ALSO='' MARK_SHIFT=4
FACTS=$ETC/nic-routes.facts
export LC_ALL=C
# shellcheck disable=SC1091
[ ! -r "$ETC/nic-routes.conf" ] || . "$ETC/nic-routes.conf"
[ -z "$MARK_SHIFT" ] || MASK=$((15 << MARK_SHIFT))

is_nic() { # NAME
  [ -e "/sys/class/net/$1" ] || return 1
  [ ! -e "/sys/class/net/$1/device" ] || return 0
  set -f; for pattern in $ALSO; do
    # shellcheck disable=SC2254
    case $1 in $pattern) set +f; return 0 ;; esac
  done; set +f; return 1
}

nics() { # NAME MAC TABLE of each NIC
  for path in /sys/class/net/*; do
    is_nic "${path##*/}" && { read -r index <"$path/ifindex" && read -r mac <"$path/address"; } 2>/dev/null || continue
    echo "${path##*/} $mac $((BASE + index))"
  done
}

facts() { # FAMILY [MAC]: the facts of a family, MACs in small letters
  [ ! -r "$FACTS" ] || awk -v six="$1" -v mac="${2:-}" \
    '/^#/ || NF < 3 {next} {$1 = tolower($1)} ((index($2, ":") > 0) == (six == 6)) && (mac == "" || $1 == mac)' "$FACTS"
}

addresses() { # FAMILY NAME
  ip -"$1" -o addr show dev "$2" scope global | awk '/tentative|dadfailed/ {next} {sub("/.*", "", $4); print $4}'
}

routes() { # FAMILY TABLE NAME: routes as "DESTINATION [via GATEWAY] [onlink]", each destination once
  ip -"$1" route show table "$2" dev "$3" 2>/dev/null | awk '
    $1 ~ /^(unreachable|blackhole|prohibit|throw|local|broadcast|anycast|multicast|nexthop|fe80|ff00)/ || seen[$1]++ {next}
    { line = $1
      for (i = 2; i <= NF; i++) {
        if ($i == "via") line = line " via " $(i + 1) ($(i + 1) == "inet6" ? " " $(i + 2) : "")
        if ($i == "onlink") line = line " onlink"
      }
      print line }'
}

gateway() { # FAMILY NAME MAC ADDRESSES: the fact, else what DHCP or a router told: the best default route of the NIC, its lease
  found=$(facts "$1" "$3" | awk '$3 != "-" {print $3; exit}')
  [ -n "$found" ] || found=$(default_route "$1" "$2" main)
  [ -n "$found" ] || [ "$1" = 6 ] || found=$(leased "$2" "$4")
  [ -n "$found" ] || found=$(default_route "$1" "$2" all)
  [ -z "$found" ] || echo "$found"
}

default_route() { # FAMILY NAME TABLE: the best gateway by the NIC; IPv6 shows those of one metric as hops of one route
  ip -"$1" route show table "$3" default 2>/dev/null | awk -v name="$2" '
    { via = ""
      for (i = 1; i < NF; i++) {
        if ($i == "via" && $(i + 1) != "inet6") via = $(i + 1)
        if ($i == "dev" && $(i + 1) == name && via != "") {print via; exit}
      } }'
}

leased() { # NAME ADDRESSES: the router of dhclient's newest lease: of default routes with one metric main takes only the first
  cat /run/dhclient*.lease* /var/lib/dhcp/dhclient*.lease* /var/lib/dhclient/*.lease* 2>/dev/null |
    awk -v name="$1" -v own=" $(echo "$2" | tr '\n' ' ')" '
      {gsub(/[",;]/, "")}
      $1 ~ /^lease/ {nic = address = router = ""}
      $1 == "interface" {nic = $2}
      $1 == "fixed-address" {address = $2}
      $1 == "option" && $2 == "routers" {router = $3}
      $1 == "}" && nic == name && index(own, " " address " ") {found = router}
      END {if (found != "") print found}'
}

first_nic() { # FAMILY: the first NIC of the facts that is there, else the one of main's default route
  nics >"$RUN/nics"
  facts "$1" | awk '$3 != "-" {print $1}' | while read -r mac; do
    awk -v mac="$mac" '$2 == mac {print $1; exit}' "$RUN/nics"
  done | head -n 1 | grep . || ip -"$1" route show default | awk '{for (i = 1; i < NF; i++) if ($i == "dev") {print $(i + 1); exit}}'
}

number() { # TABLE: a number from 1 to 15 that a NIC keeps while it is there; nothing when there are too many
  touch "$RUN/numbers"
  awk -v table="$1" '$1 == table {print $2; exit}' "$RUN/numbers" | grep . && return
  free=$(awk '{taken[$2]} END {for (i = 1; i < 16; i++) if (!(i in taken)) {print i; exit}}' "$RUN/numbers")
  [ -n "$free" ] || return 0
  echo "$1 $free" >>"$RUN/numbers"; echo "$free"
}

forget_numbers() { # of NICs that have gone
  touch "$RUN/numbers"; nics >"$RUN/nics"
  awk 'FILENAME == ARGV[1] {there[$3]; next} $1 in there' "$RUN/nics" "$RUN/numbers" >"$RUN/numbers.new"
  mv "$RUN/numbers.new" "$RUN/numbers"
}

apply() { # HAVE WANT ADD DELETE: calls ADD for what is wanted and not there, then DELETE for what is there and not wanted
  sort -u "$1" >"$1.sorted"; sort -u "$2" >"$2.sorted"
  ! cmp -s "$1.sorted" "$2.sorted" || return 0
  comm -13 "$1.sorted" "$2.sorted" | while read -r line; do $3 "$line"; done
  comm -23 "$1.sorted" "$2.sorted" | while read -r line; do $4 "$line"; done
}

# shellcheck disable=SC2086
{
  add_rule() { ip -$family rule add pref $1; }
  delete_rule() { ip -$family rule del pref $1; }
  add_route() { ip -$family route replace table $table $1 dev "$name" || true; }
  delete_route() { ip -$family route del table $table $1 dev "$name" || true; }
}

fill_table() { # of $family $name $table $gateway
  { routes "$family" main "$name" | grep -v '^default'
    [ -z "$gateway" ] || echo "default via $gateway onlink"; } >"$RUN/want"
  routes "$family" "$table" "$name" >"$RUN/have"
  apply "$RUN/have" "$RUN/want" add_route delete_route
}

wanted_rules() { # of $family; fills the tables on its way
  first=$(first_nic "$family"); last=
  nics >"$RUN/nics"
  while read -r name mac table; do
    own=$(addresses "$family" "$name")
    [ -n "$own" ] || continue
    : >"$RUN/had-$family-$table"
    gateway=$(gateway "$family" "$name" "$mac" "$own")
    fill_table >&2
    [ -n "$gateway" ] || continue # its own subnet is in main, and there is no other way through it
    for address in $own; do echo "$((BASE + 200)) from $address lookup $table"; done
    number=$([ -z "$MARK_SHIFT" ] || number "$table")
    [ -z "$number" ] || printf '%d from all fwmark 0x%x/0x%x lookup %d\n' \
      $((BASE + 100)) $((number << MARK_SHIFT)) "$MASK" "$table"
    [ "$name" != "$first" ] || last="$((BASE + 301)) from all lookup $table"
  done <"$RUN/nics" >"$RUN/rules"
  [ -s "$RUN/rules" ] || return 0
  cat "$RUN/rules"
  echo "$((BASE)) from all lookup main suppress_ifgroup $GROUP"
  [ -z "$last" ] || printf '%s\n' "$((BASE + 300)) from all lookup main suppress_prefixlength 0" "$last"
}

rules() { # FAMILY: ours that are there
  ip -"$1" rule show | awk -v low=$BASE -v high=$((BASE + 999)) '{sub(":", "", $1); $1 = $1} $1 >= low && $1 <= high'
}

set_rules() { # FAMILY
  family=$1
  wanted_rules >"$RUN/want-rules"; rules "$family" >"$RUN/have-rules"
  apply "$RUN/have-rules" "$RUN/want-rules" add_rule delete_rule
}

setting() { # SETTING: its value in $value; shells read byte by byte, of which the kernel answers the first, a digit, and ends
  value=; { read -r value <"/proc/sys/net/ipv4/conf/$1" || [ -n "$value" ]; } 2>/dev/null
}

at_least() { # VALUE SETTING: raises a kernel setting
  ! setting "$2" || [ "$value" -ge "$1" ] || [ ! -w "/proc/sys/net/ipv4/conf/$2" ] || echo "$1" >"/proc/sys/net/ipv4/conf/$2"
}

set_nics() { # the group that rule 20000 knows NICs by, ARP with the address that belongs to the NIC, replies of pods let in
  shared=$(nics | while read -r name _; do routes 4 main "$name" | grep -v via; done | sort | uniq -d)
  setting all/rp_filter; strict=$value
  nics | while read -r name _; do
    { read -r group <"/sys/class/net/$name/netdev_group"; } 2>/dev/null && setting "$name/rp_filter" || continue # gone
    [ "$group" = $GROUP ] || ip link set dev "$name" group $GROUP
    own=$value
    at_least 2 "$name/arp_announce"
    [ -z "$shared" ] || at_least 1 "$name/arp_ignore" # two NICs in one subnet: each speaks for its own addresses
    # Strict reverse path filtering would look for the way back before the packet is known to be a reply.
    case $MARK_SHIFT,$strict$own in
      ,* | *,*2* | *,00) ;;
      *) at_least 2 "$name/rp_filter" ;;
    esac
  done
}

marked() { # NAME MARK of each NIC with a number
  nics | while read -r name _ table; do
    number=$(awk -v table="$table" '$1 == table {print $2}' "$RUN/numbers")
    [ -z "$number" ] || printf '%s 0x%x\n' "$name" $((number << MARK_SHIFT))
  done
}

nft_rules() {
  rest=$(printf '0x%x' $((0xffffffff & ~MASK))); mask=$(printf '0x%x' "$MASK")
  printf 'table inet %s\ndelete table inet %s\ntable inet %s {\n' $CHAIN $CHAIN $CHAIN
  for hook in 'arriving { type filter hook prerouting' 'leaving { type route hook output'; do
    echo " chain $hook priority mangle; policy accept;"
    while read -r name mark; do
      case $hook in arriving*) echo "  ct state new iifname \"$name\" ct mark set ct mark & $rest | $mark" ;; esac
      echo "  ct direction reply ct mark & $mask == $mark meta mark set meta mark & $rest | $mark"
    done <"$RUN/marks"
    echo " }"
  done
  echo "}"
}

iptables_rules() {
  mask=$(printf '0x%x' "$MASK")
  printf '*mangle\n:%s-in - [0:0]\n:%s-out - [0:0]\n' $CHAIN $CHAIN
  while read -r name mark; do
    echo "-A $CHAIN-in -i $name -m conntrack --ctstate NEW -j CONNMARK --set-xmark $mark/$mask"
    for way in in out; do
      echo "-A $CHAIN-$way -m conntrack --ctdir REPLY -m connmark --mark $mark/$mask -j MARK --set-xmark $mark/$mask"
    done
  done <"$RUN/marks"
  echo COMMIT
}

set_iptables() { # COMMAND
  "$1"-restore -w -n <"$RUN/firewall.new" || return
  "$1" -w -t mangle -C PREROUTING -j $CHAIN-in 2>/dev/null || "$1" -w -t mangle -A PREROUTING -j $CHAIN-in
  "$1" -w -t mangle -C OUTPUT -j $CHAIN-out 2>/dev/null || "$1" -w -t mangle -A OUTPUT -j $CHAIN-out
}

set_marks() { # connections remember their NIC, replies are marked with it
  marked >"$RUN/marks"
  if command -v nft >/dev/null; then
    nft_rules >"$RUN/firewall.new"
    cmp -s "$RUN/firewall.new" "$RUN/firewall" && nft list table inet $CHAIN >/dev/null 2>&1 && return
    nft -f - <"$RUN/firewall.new" || return
  elif command -v iptables-restore >/dev/null; then
    iptables_rules >"$RUN/firewall.new"
    cmp -s "$RUN/firewall.new" "$RUN/firewall" && iptables -w -t mangle -C PREROUTING -j $CHAIN-in 2>/dev/null && return
    set_iptables iptables || return
    ! command -v ip6tables-restore >/dev/null || set_iptables ip6tables
  else
    echo "neither nft nor iptables: pods behind a NodePort answer by the first NIC only" >&2
    return 0
  fi
  mv "$RUN/firewall.new" "$RUN/firewall"
}

sync_now() {
  forget_numbers
  set_nics
  set_rules 4
  [ ! -e /proc/net/if_inet6 ] || set_rules 6
  [ -z "$MARK_SHIFT" ] || set_marks
}

locked() { # COMMAND...
  mkdir -p "$RUN"
  if command -v flock >/dev/null; then (flock 9; "$@" 9>&-) 9>"$RUN/lock"; else "$@"; fi
}

lonely() { # NAME MAC FAMILY... of NICs that nobody gave an address of; one that had some was taken down by whoever cares for it
  nics | while read -r name mac table; do
    missing=$(for family in 4 6; do
      [ -e "$RUN/had-$family-$table" ] || ip -$family -o addr show dev "$name" scope global | grep -q . || printf ' %s' $family
    done)
    case $missing in
      ' 4 6') echo "$name $mac$missing" ;; # without facts too
      ?*) ! is_up "$name" "${missing# }" || ! facts "${missing# }" "$mac" | grep -q . || echo "$name $mac$missing" ;;
    esac
  done
}

is_up() { # NAME FAMILY: whether the NIC can have addresses of the family; none can be given where IPv6 is switched off
  ip -o link show dev "$1" up | grep -q . || return 1
  off=
  [ "$2" = 4 ] || { read -r off <"/proc/sys/net/ipv6/conf/$1/disable_ipv6"; [ "$off" = 0 ]; } 2>/dev/null # as in `setting`
}

active() { command -v systemctl >/dev/null && systemctl is-active -q "$1"; }

configure() { # NAME MAC FAMILY...: the addresses of the facts, else DHCP, unless a network manager cares for every NIC
  nic=$1 mac=$2; shift 2
  told=$(for family; do facts "$family" "$mac"; done | awk '{print $2}')
  ip link set dev "$nic" up
  for address in $told; do ip addr replace "$address" dev "$nic"; done
  [ -z "$told" ] || return 0
  active systemd-networkd || active NetworkManager && return
  mkdir "$RUN/asked-$(cat "/sys/class/net/$nic/ifindex")" 2>/dev/null || return 0 # it is asked for already
  if command -v dhclient >/dev/null; then
    ask 4 "$nic"
    ! lacks6 "$nic" || ask 6 "$nic"
  elif command -v dhcpcd >/dev/null; then dhcpcd -b "$nic"
  elif command -v udhcpc >/dev/null; then udhcpc -b -i "$nic"
  fi >/dev/null 2>&1
}

ask() { # FAMILY NAME: a dhclient that is not in the way of others; its files are where AppArmor lets them be
  dhclient "-$1" -nw -pf "/run/dhclient$1-$2.pid" -lf "/run/dhclient$1-$2.leases" "$2"
}

lacks6() { # NAME: whether the NIC's network has an IPv6 router, and no address came from what that tells
  for _ in 1 2 3 4 5 6; do
    [ -z "$(default_route 6 "$1" main)" ] || break
    sleep 1
  done
  [ -n "$(default_route 6 "$1" main)" ] && [ -z "$(ip -6 -o addr show dev "$1" scope global)" ]
}

catch_up() { # a little after the first of several events; NICs that stay without an address are configured
  sleep "${SETTLE:-1}"
  rm -f "$RUN/due"
  locked sync_now
  lonely | grep -q . || return 0
  sleep "${PATIENCE:-20}"
  # shellcheck disable=SC2086
  lonely | while read -r name mac families; do configure "$name" "$mac" $families; done
}

matters() { # LINE: whether an event is about a NIC, or about something that has gone
  set -f; for word in $1; do
    case $word in Deleted) set +f; return 0 ;; esac
    ! is_nic "${word%:}" || { set +f; return 0; }
  done; set +f; return 1
}

watch() { # until the monitor ends; the service manager starts us again. systemd-networkd drops rules of others when it restarts
  mkdir -p "$RUN"; rm -f "$RUN/due"
  { echo Deleted; exec ip monitor link address route rule; } | while read -r line; do
    if [ ! -e "$RUN/due" ] && matters "$line"; then
      : >"$RUN/due"
      catch_up &
    fi
  done
  return 1
}

clear_now() { # takes back what can be taken back; kernel settings stay
  for family in 4 6; do
    rules $family | while read -r rule; do delete_rule "$rule"; done
    nics | while read -r name _ table; do
      routes $family "$table" "$name" | while read -r route; do delete_route "$route"; done
    done
  done
  ! command -v nft >/dev/null || nft delete table inet $CHAIN 2>/dev/null
  for command in iptables ip6tables; do
    command -v $command >/dev/null || continue
    $command -w -t mangle -D PREROUTING -j $CHAIN-in 2>/dev/null
    $command -w -t mangle -D OUTPUT -j $CHAIN-out 2>/dev/null
    for way in in out; do $command -w -t mangle -F $CHAIN-$way 2>/dev/null; $command -w -t mangle -X $CHAIN-$way 2>/dev/null; done
  done
  rm -f "$RUN/firewall" "$RUN/numbers"
}

case ${1:-sync} in
  sync) locked sync_now ;;
  watch) watch ;;
  clear) locked clear_now ;;
  *) echo "usage: nic-routes sync | watch | clear" >&2; exit 2 ;;
esac
