#!/usr/bin/env bash
# setup-emscripten.sh - install a modern Emscripten (3.1.69, LLVM 19.1.7, Binaryen 120)
# into a private prefix on a Debian 12 (or 13) machine. No root needed, nothing on the
# running system is changed; every package comes through apt, so the suites' signatures
# are verified.
#
#   usage: setup-emscripten.sh [options] [prefix]       (default prefix: ./.toolchain/emscripten)
#     --private   ignore an emcc that is already on PATH
#     --force     rebuild the prefix even if it is up to date
#     --check     only say whether prefix (or PATH) has a usable emcc; installs nothing
#     -h, --help  this text
#
#   then:  . <prefix>/env.sh      (PATH, EMSDK_PYTHON, EMSCRIPTEN_ROOT)
#     or:  <prefix>/bin/emcc ...  <prefix>/bin/emcmake cmake -G Ninja ...
#
# Why these parts: Debian 12's own emscripten (3.1.6, clang 14) is too old. Debian 13's
# emscripten is arch-independent and carries prebuilt system libraries; it wants LLVM 19,
# which Debian 12 has too, and Binaryen 120, which is run with a private copy of
# Debian 13's C/C++ runtime through that runtime's own dynamic loader.
#
# environment: EMSCRIPTEN_DEBIAN_URI   archive to use instead of the one in apt's sources
#              EMSCRIPTEN_DEB_CACHE    keep/reuse the downloaded .deb files in this folder
#              EMSCRIPTEN_STRICT_PINS  1: fail when a pinned version is gone (default: take
#                                      the suite's current build of the same upstream version)
#              EMSCRIPTEN_FULL         1: keep the rarely used prebuilt libraries (PIC, GL variants, ...)
set -euo pipefail

RECIPE=2           # raise when this script changes what it installs
MIN_VERSION=3.1.58 # oldest emcc on PATH that is good enough
EMSUITE=trixie     # emscripten, binaryen and binaryen's runtime
LLVMSUITE=bookworm # clang/lld/llvm 19 and the libraries they link
# name=pinned version=upstream version that a fallback must have
EM_PINS="emscripten=3.1.69+dfsg-3=3.1.69 binaryen=120-4=120 node-acorn=8.8.1+ds+~cs25.17.7-2=8."
RT_PKGS="libc6 libstdc++6 libgcc-s1"
LLVM_PIN=1:19.1.7-3~deb12u1
LLVM_UPSTREAM=1:19.1
LLVM_PKGS="clang-19 lld-19 llvm-19 llvm-19-linker-tools libllvm19 libclang-cpp19 libclang-common-19-dev"
LLVM_LIBS="libedit2 libz3-4 libxml2 libicu72 libffi8 libtinfo6 libzstd1 zlib1g libbsd0 libmd0 liblzma5"

t0=$SECONDS
say() { printf '[emscripten %3ds] %s\n' $((SECONDS - t0)) "$*" >&2; }
die() {
    printf '[emscripten] ERROR: %s\n' "$1" >&2
    shift
    for l in "$@"; do printf '             %s\n' "$l" >&2; done
    exit 1
}
vge() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; } # $1 >= $2

private=0 force=0 check=0 prefix=
while [ $# -gt 0 ]; do
    case $1 in
        --private) private=1 ;; --force) force=1 ;; --check) check=1 ;;
        -h | --help)
            sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'
            exit 0
            ;;
        -*) die "unknown option $1" "try: $0 --help" ;;
        *)
            [ -z "$prefix" ] || die "more than one prefix given"
            prefix=$1
            ;;
    esac
    shift
done
prefix=${prefix:-./.toolchain/emscripten}
case $prefix in /*) ;; *) prefix=$PWD/${prefix#./} ;; esac
case $prefix in / | /usr | /usr/local | /opt | "$HOME") die "refusing to use $prefix as the prefix" ;; esac
case $prefix in *[[:space:]\"\'\\\$]*) die "the prefix must not hold spaces, quotes, backslashes or dollar signs: $prefix" ;; esac

emcc_version() { "$1" --version 2>/dev/null | sed -nE '1s/^emcc .*\) ([0-9]+\.[0-9]+\.[0-9]+).*/\1/p'; }

# --- an emcc that is already here? -------------------------------------------------------
# (one that lives in our own prefix is judged by its stamp below, not here)
if [ $private = 0 ] && onpath=$(command -v emcc) && [ "$(readlink -f "$onpath")" != "$(readlink -f "$prefix/bin/emcc" 2>/dev/null)" ]; then
    v=$(emcc_version "$onpath" || true)
    if [ -n "$v" ] && vge "$v" "$MIN_VERSION"; then
        say "using emcc $v already on PATH ($onpath); nothing to do"
        exit 0
    fi
    say "emcc on PATH is ${v:-unusable} (< $MIN_VERSION): ignoring it"
fi

want_stamp="recipe=$RECIPE full=${EMSCRIPTEN_FULL:-0} $EM_PINS llvm=$LLVM_PIN"
smoke() { # smoke <prefix>: compile, link and run small programs
    local p=$1 w
    w=$(mktemp -d)
    cat >"$w/a.c" <<'E'
#include <pthread.h>
#include <stdio.h>
#include <wasm_simd128.h>
static signed char a[16], b[16];
static void *work(void *r) {
  for (int i = 0; i < 16; i++) { a[i] = (signed char)(-3 * i); b[i] = (signed char)(i + 1); }
  v128_t x = wasm_v128_load(a), y = wasm_v128_load(b);
#ifdef __wasm_relaxed_simd__
  v128_t s = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, y, wasm_i32x4_const(0, 0, 0, 0));
#else
  v128_t s = wasm_i32x4_add(wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(x), wasm_i16x8_extend_low_i8x16(y)),
                            wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(x), wasm_i16x8_extend_high_i8x16(y)));
#endif
  *(int *)r = wasm_i32x4_extract_lane(s, 0) + wasm_i32x4_extract_lane(s, 1) + wasm_i32x4_extract_lane(s, 2) + wasm_i32x4_extract_lane(s, 3);
  return 0;
}
int main(void) {
  pthread_t t; int r = 0;
  if (pthread_create(&t, 0, work, &r)) return 1;
  pthread_join(t, 0);
  printf("dot=%d\n", r);
  return 0;
}
E
    local rc=0
    { "$p/bin/emcc" -O3 -pthread -msimd128 -sPTHREAD_POOL_SIZE=1 -sEXIT_RUNTIME -sENVIRONMENT=web,worker,node \
        -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB -Wno-pthreads-mem-growth "$w/a.c" -o "$w/simd.js" &&
        "$p/bin/emcc" -O2 -pthread -msimd128 -mrelaxed-simd -sPTHREAD_POOL_SIZE=1 -sEXIT_RUNTIME "$w/a.c" -o "$w/relaxed.js" &&
        out=$(cd "$w" && "${EM_NODE_JS:-node}" simd.js) && [ "$out" = "dot=-4080" ] &&
        "$p/binaryen/bin/wasm-dis" --all-features "$w/relaxed.wasm" -o "$w/relaxed.wat" &&
        grep -q 'dot_i8x16_i7x16_add_s' "$w/relaxed.wat"; } >"$w/log" 2>&1 || rc=1
    [ $rc = 0 ] || {
        say "the smoke test failed:"
        tail -n 20 "$w/log" >&2
        echo "program output: ${out:-none}" >&2
    }
    rm -rf "$w"
    return $rc
}
current() { [ -x "$prefix/bin/emcc" ] && [ "$(cat "$prefix/stamp" 2>/dev/null)" = "$want_stamp" ] && [ "$(emcc_version "$prefix/bin/emcc")" = 3.1.69 ]; }

if [ $force = 0 ] && current; then
    say "up to date: emcc 3.1.69 in $prefix"
    exit 0
fi
[ $check = 0 ] || die "no usable emcc in $prefix (run without --check to install)"

# --- what this machine must have ---------------------------------------------------------
for c in apt-get apt-cache dpkg dpkg-deb tar python3 flock; do command -v $c >/dev/null || die "$c is missing" "this script needs a Debian machine (12 or 13) with python3"; done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' || die "python3 is older than 3.8"
NODE=${EM_NODE_JS:-$(command -v node || command -v nodejs || true)}
[ -n "$NODE" ] || die "node is missing" "emcc runs parts of itself in Node: install nodejs >= 16.20"
nv=$("$NODE" -p process.versions.node)
vge "$nv" 16.20.0 || die "node $nv is too old (16.20 or newer is needed)"
arch=$(dpkg --print-architecture)
case $arch in
    amd64) triplet=x86_64-linux-gnu ld=ld-linux-x86-64.so.2 ;;
    arm64) triplet=aarch64-linux-gnu ld=ld-linux-aarch64.so.1 ;;
    *) die "unsupported architecture $arch" ;;
esac
mkdir -p "$(dirname "$prefix")"
free=$(df -Pm "$(dirname "$prefix")" | awk 'NR==2{print $4}')
[ "$free" -ge 2500 ] || die "only $free MB free next to $prefix; 2500 MB are needed while installing"

exec 9>"$prefix.lock"
flock -n 9 || {
    say "another setup of $prefix is running: waiting for it"
    flock 9
}
if [ $force = 0 ] && current; then
    say "up to date (installed by the other run): $prefix"
    exit 0
fi

# --- the archive and its key, from apt's own sources ---------------------------------------
read -r uri keyring < <(
    python3 - <<'E'
import glob, os, re
rel = {}
for l in open('/etc/os-release'):
    k, _, v = l.strip().partition('='); rel[k] = v.strip('"')
code = rel.get('VERSION_CODENAME', '')
found = []
for f in sorted(glob.glob('/etc/apt/sources.list.d/*.sources')):
    for st in re.split(r'\n\s*\n', open(f, errors='replace').read()):
        d, key = {}, None
        for l in st.splitlines():
            if l.startswith('#') or not l.strip(): continue
            if l[0] in ' \t' and key: d[key] += '\n' + l.strip(); continue
            key, _, v = l.partition(':'); key = key.strip().lower(); d[key] = v.strip()
        if d.get('enabled', 'yes').lower() in ('no', 'false', '0'): continue
        if 'deb' not in d.get('types', '').split(): continue
        sb = d.get('signed-by', '')
        for u in d.get('uris', '').split():
            found.append((u, d.get('suites', '').split(), d.get('components', '').split(), sb if sb.startswith('/') else ''))
for f in ['/etc/apt/sources.list'] + sorted(glob.glob('/etc/apt/sources.list.d/*.list')):
    if not os.path.exists(f): continue
    for l in open(f, errors='replace'):
        m = re.match(r'\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)', l)
        if m:
            sb = re.search(r'signed-by=(\S+)', m.group(1) or '')
            found.append((m.group(2), [m.group(3)], m.group(4).split(), sb.group(1) if sb else ''))
names = {code, 'bookworm', 'trixie', 'stable', 'oldstable', 'testing', 'sid', 'unstable'} - {''}
best = [x for x in found if code and code in x[1] and 'main' in x[2]] or [x for x in found if names & set(x[1]) and 'main' in x[2]]
best = [x for x in best if not x[0].startswith('cdrom')]
print(*( (best[0][0], best[0][3] or '-') if best else ('-', '-') ))
E
) || true
if [ -n "${EMSCRIPTEN_DEBIAN_URI:-}" ]; then uri=$EMSCRIPTEN_DEBIAN_URI; fi
[ "${uri:--}" != - ] || die "found no Debian archive (component main) in /etc/apt/sources.list*" "set EMSCRIPTEN_DEBIAN_URI to one"
if [ "${keyring:--}" = - ] || [ ! -r "$keyring" ]; then keyring=/usr/share/keyrings/debian-archive-keyring.gpg; fi
[ -r "$keyring" ] || die "no Debian archive keyring ($keyring)" "apt-get install debian-archive-keyring"

work=$prefix.new.$$
cleanup() { rm -rf "$work" "$prefix.old.$$"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
rm -rf "$work"
mkdir -p "$work"/{bin,root,rt,llvm/bin,binaryen/bin} "$work"/apt/{sources.list.d,lists/partial,archives/partial,cache}
: >"$work/apt/status"
for s in $EMSUITE $LLVMSUITE; do
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nSigned-By: %s\n\n' "$uri" "$s" "$arch" "$keyring"
done >"$work/apt/sources.list.d/debian.sources"
A=(-q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/apt/sources.list.d"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o "Dir::State=$work/apt" -o "Dir::State::lists=$work/apt/lists" -o "Dir::State::status=$work/apt/status"
    -o "Dir::Cache=$work/apt/cache" -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Acquire::GzipIndexes=false -o "Dir::Cache::archives=$work/apt/archives"
    -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User="$(id -un)"
    -o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::IndexTargets::deb::CNF::DefaultEnabled=false)
say "reading the package lists of $EMSUITE and $LLVMSUITE (private apt state)"
apt-get "${A[@]}" -o APT::Update::Error-Mode=any update >"$work/apt/log" 2>&1 || {
    cat "$work/apt/log" >&2
    if grep -q NO_PUBKEY "$work/apt/log"; then die "the archive keyring is too old for $EMSUITE" "apt-get install debian-archive-keyring"; fi
    die "apt could not read the package lists (see above)"
}

# one table "name version suite" of what the two suites have
all_names="$(for p in $EM_PINS; do echo "${p%%=*}"; done) $RT_PKGS $LLVM_PKGS $LLVM_LIBS"
# shellcheck disable=SC2086
apt-cache "${A[@]}" madison $all_names | awk -F'|' '{gsub(/ /,"",$1); gsub(/ /,"",$2); n=split($3,a," "); sub(/\/.*/,"",a[2]); print $1, $2, a[2]}' >"$work/apt/table"
pick() { # pick <name> <pinned or empty> <needed start> <suite>: prints name=version
    local v
    v=$(awk -v n="$1" -v s="$4" '$1==n && $3==s {print $2}' "$work/apt/table" | sort -rV)
    if [ -n "$2" ] && grep -qxF -- "$2" <<<"$v"; then
        echo "$1=$2"
        return
    fi
    v=${v%%$'\n'*}
    [ -z "$2" ] || [ "${EMSCRIPTEN_STRICT_PINS:-0}" != 1 ] || die "$1 $2 is no longer in $4 (it has ${v:-none}) and EMSCRIPTEN_STRICT_PINS=1"
    [ -n "$v" ] || die "$4 has no package $1"
    case $v in "$3"*)
        [ -z "$2" ] || say "note: $1 $2 is gone from $4, taking $v"
        echo "$1=$v"
        ;;
    *) die "$4 has $1 $v, but $3* is needed" ;; esac
}
specs=() rtspecs=()
for p in $EM_PINS; do
    IFS='=' read -r n v u <<<"$p"
    s=$(pick "$n" "$v" "$u" $EMSUITE)
    specs+=("$s")
done
for n in $LLVM_PKGS; do
    s=$(pick "$n" "$LLVM_PIN" "$LLVM_UPSTREAM" $LLVMSUITE)
    specs+=("$s")
done
for n in $LLVM_LIBS; do
    s=$(pick "$n" "" "" $LLVMSUITE)
    specs+=("$s")
done
for n in $RT_PKGS; do
    s=$(pick "$n" "" "" $EMSUITE)
    rtspecs+=("$s")
done

debs=${EMSCRIPTEN_DEB_CACHE:-$work/debs}
mkdir -p "$debs"
debs=$(cd "$debs" && pwd)
say "downloading $((${#specs[@]} + ${#rtspecs[@]})) packages, about 325 MB"
# apt-get download checks each file against the signed lists; files already there are re-checked, not refetched
(cd "$debs" && apt-get "${A[@]}" download "${specs[@]}" "${rtspecs[@]}") >"$work/apt/log" 2>&1 || {
    tail -n 20 "$work/apt/log" >&2
    die "a package could not be downloaded (see above)"
}
if grep -qi 'unauthenticated' "$work/apt/log"; then
    cat "$work/apt/log" >&2
    die "apt called a package unauthenticated"
fi

unpack() { # unpack <name=version> <into> [tar options]
    local n=${1%%=*} v=${1#*=} f='' c into=$2
    shift 2
    for c in "$debs/${n}_${v//:/%3a}_$arch.deb" "$debs/${n}_${v//:/%3a}_all.deb"; do if [ -f "$c" ]; then f=$c; fi; done
    [ -n "$f" ] || die "cannot find the downloaded package $n $v in $debs"
    mkdir -p "$into"
    dpkg-deb --fsys-tarfile "$f" | tar -x -C "$into" --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/lintian' "$@"
    echo "$n $v sha256:$(sha256sum "$f" | cut -c1-64)" >>"$work/manifest.txt"
}
say "unpacking"
slim=()
[ "${EMSCRIPTEN_FULL:-0}" = 1 ] || slim=(--wildcards --exclude='*/wasm32-emscripten/pic' --exclude='*/wasm32-emscripten/lto-pic'
    --exclude='*/wasm32-emscripten/*-ww*.a' --exclude='*/wasm32-emscripten/*libwebgpu*.a' --exclude='*/wasm32-emscripten/*libGL*-emu*.a'
    --exclude='*/wasm32-emscripten/*libGL*-ofb*.a' --exclude='*/wasm32-emscripten/*libGL*-webgl2*.a' --exclude='*/wasm32-emscripten/*libGL*-full_es3*.a'
    --exclude='./usr/share/emscripten/test' --exclude='./usr/share/emscripten/docs' --exclude='./usr/share/emscripten/media')
for s in "${specs[@]}"; do case $s in
    emscripten=*) unpack "$s" "$work/root" "${slim[@]}" ;;
    *) unpack "$s" "$work/root" ;;
esac done
for s in "${rtspecs[@]}"; do unpack "$s" "$work/rtroot"; done

# --- put the parts together -----------------------------------------------------------------
L=$work/rtroot/usr/lib/$triplet
for f in $ld libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libgcc_s.so.1 libstdc++.so.6; do
    src=$L/$f
    [ -e "$src" ] || src=$(find "$work/rtroot" -name "$f" | head -n1)
    [ -n "$src" ] || die "$f is not in $EMSUITE's runtime packages"
    cp -L "$src" "$work/rt/$f"
done
mv "$work/root/usr/lib/$triplet/libbinaryen.so" "$work/rt/"
rm -rf "$work/rtroot"
# LLVM's libraries in one folder (Debian 12 still has some in /lib)
mkdir -p "$work/llvm/lib"
find "$work/root/usr/lib/$triplet" "$work/root/lib/$triplet" -maxdepth 1 -name '*.so*' 2>/dev/null | while read -r f; do
    ln -s "../../${f#"$work"/}" "$work/llvm/lib/${f##*/}"
done
rm -f "$work/root/usr/bin"/{acorn,em*} "$work/root/usr/bin"/*-19

for f in "$work"/root/usr/lib/llvm-19/bin/*; do
    n=${f##*/}
    printf '#!/bin/sh\nd=${0%%/*}/../..\nLD_LIBRARY_PATH="$d/llvm/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\nexport LD_LIBRARY_PATH\nexec "$d/root/usr/lib/llvm-19/bin/%s" "$@"\n' "$n" >"$work/llvm/bin/$n"
done
for f in "$work"/root/usr/bin/wasm*; do
    n=${f##*/}
    printf '#!/bin/sh\nd=${0%%/*}/../..\nexec "$d/rt/%s" --library-path "$d/rt" "$d/root/usr/bin/%s" "$@"\n' "$ld" "$n" >"$work/binaryen/bin/$n"
done
chmod +x "$work"/llvm/bin/* "$work"/binaryen/bin/*

em=$work/root/usr/share/emscripten
ln -s nodejs "$work/root/usr/share/node_modules" # where emcc's own scripts look for acorn
cat >"$em/.emscripten" <<'E'
# written by setup-emscripten.sh; the prefix may be moved or copied as a whole
import os
_r = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(os.environ['EM_CONFIG'])), *['..'] * 4))
LLVM_ROOT = os.path.join(_r, 'llvm', 'bin')
BINARYEN_ROOT = os.path.join(_r, 'binaryen')
NODE_JS = os.environ.get('EM_NODE_JS') or 'node'
CACHE = os.path.join(_r, 'root', 'usr', 'share', 'emscripten', 'cache')
# Not frozen: library variants that are not prebuilt (wasm64, PIC, ...) are built on first use.
FROZEN_CACHE = False
# emcc's sanity check would erase the prebuilt libraries when the prefix has been moved.
os.environ['EMCC_SKIP_SANITY_CHECK'] = '1'
E
rm -f "$em"/cache/sanity.txt
# The prefix may lie inside a package of "type": "module"; emcc's own scripts are CommonJS.
printf '{ "private": true, "type": "commonjs" }\n' >"$work/package.json"
for f in "$em"/em*.py; do
    n=$(basename "$f" .py)
    [ -x "$em/$n" ] || continue
    cat >"$work/bin/$n" <<'E'
#!/bin/sh
d=$(dirname "$(readlink -f "$0")")/..
if [ -z "$EMSDK_PYTHON" ] && [ -x /usr/bin/python3 ]; then EMSDK_PYTHON=/usr/bin/python3; export EMSDK_PYTHON; fi
unset EM_CONFIG EM_CACHE EM_LLVM_ROOT EM_BINARYEN_ROOT
E
    printf 'exec "$d/root/usr/share/emscripten/%s" "$@"\n' "$n" >>"$work/bin/$n"
    chmod +x "$work/bin/$n"
done
cat >"$work/env.sh" <<E
# source this file: . <prefix>/env.sh
_em_prefix=$prefix
E
cat >>"$work/env.sh" <<'E'
if [ -n "${BASH_SOURCE:-}" ]; then _em_prefix=$(cd "$(dirname "${BASH_SOURCE}")" && pwd); fi
case ":$PATH:" in *":$_em_prefix/bin:"*) ;; *) PATH=$_em_prefix/bin:$PATH; export PATH ;; esac
EMSCRIPTEN_ROOT=$_em_prefix/root/usr/share/emscripten; export EMSCRIPTEN_ROOT
if [ -x /usr/bin/python3 ]; then EMSDK_PYTHON=/usr/bin/python3; export EMSDK_PYTHON; fi
unset _em_prefix EM_CONFIG EM_CACHE EM_LLVM_ROOT EM_BINARYEN_ROOT
E
echo '*' >"$work/.gitignore"
rm -rf "$work/apt" "$work/debs"

say "checking: clang, binaryen, threads, SIMD, relaxed SIMD"
"$work/llvm/bin/clang" --version >/dev/null || die "clang does not start"
bv=$("$work/binaryen/bin/wasm-opt" --version) || die "wasm-opt does not start"
[ "$(emcc_version "$work/bin/emcc")" = 3.1.69 ] || {
    "$work/bin/emcc" --version >&2 || true
    die "emcc does not report 3.1.69"
}
smoke "$work" || die "the toolchain does not work here (see above)"
printf '%s\n' "$want_stamp" >"$work/stamp"
if [ -e "$prefix" ]; then mv "$prefix" "$prefix.old.$$"; fi
mv "$work" "$prefix"
[ "$(emcc_version "$prefix/bin/emcc")" = 3.1.69 ] || die "emcc stopped working after the move into $prefix"
say "done: emcc 3.1.69, $("$prefix/llvm/bin/clang" --version | sed -nE '1s/.*(clang version [0-9.]+).*/\1/p'), $bv, $(du -sm "$prefix" | cut -f1) MB in $prefix"
say "next: . $prefix/env.sh   (or call $prefix/bin/emcc, $prefix/bin/emcmake)"
