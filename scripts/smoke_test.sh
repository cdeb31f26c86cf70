#!/bin/sh
# The smoke test of a memory node, as the guide runs it after a scaling: it is healthy, takes a memory, gives it back,
# recalls it and forgets it, and tells its metrics. It leaves nothing behind. Exit code 0 is all well.
#
#   ENGRAM_URL      where the node answers (default http://localhost:7432)
#   ENGRAMD_TOKEN   a token with the role write or more, where the node wants one
set -u
url=${ENGRAM_URL:-http://localhost:7432}
id="smoke-$$-$(date +%s)"
answer=$(mktemp) || exit 1
created=
trap 'forget; rm -f "$answer"' EXIT

# token tells curl the token by its input: whoever may list processes sees their arguments.
token() {
	[ -z "${ENGRAMD_TOKEN:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$ENGRAMD_TOKEN"
}

# ask METHOD PATH [JSON]: the answer goes to a file, its status is printed.
ask() {
	method=$1 path=$2
	shift 2
	case ${1:-} in
	{*) body=$1; shift; set -- -H "Content-Type: application/json" -d "$body" "$@" ;;
	esac
	token | curl -K - -s -m 10 -o "$answer" -w '%{http_code}' -X "$method" "$@" "$url$path"
}

# check WHAT WANTED METHOD PATH [JSON]: WANTED is the beginning of the status.
check() {
	what=$1 wanted=$2
	shift 2
	status=$(ask "$@")
	case $status in
	"$wanted"*) echo "ok    $what" ;;
	*)
		echo "FAIL  $what: $1 $2 answers $status: $(head -c 300 "$answer")" >&2
		exit 1
		;;
	esac
}

holds() {
	grep -q "$1" "$answer" && return
	echo "FAIL  $2: the answer holds no $1: $(head -c 300 "$answer")" >&2
	exit 1
}

forget() {
	[ -n "$created" ] && ask DELETE "/api/v1/memories/$id" >/dev/null
	created=
}

check "healthy" 2 GET /health
created=yes
check "remembers" 2 POST /api/v1/memories/remember "{\"id\": \"$id\", \"content\": \"smoke test\"}"
check "reads it back" 2 GET "/api/v1/memories/$id"
holds "smoke test" "reads it back"
check "recalls it" 2 POST /api/v1/memories/recall "{\"seeds\": [\"$id\"], \"learn\": false}"
holds "$id" "recalls it"
check "forgets it" 2 DELETE "/api/v1/memories/$id"
created=
check "has forgotten it" 404 GET "/api/v1/memories/$id"
check "tells its metrics" 2 GET /metrics
holds "engram_memory_usage_bytes" "tells its metrics"
check "tells its tiers" 2 GET /api/v1/admin/storage/stats
holds "tier_distribution" "tells its tiers"
echo "all well"
