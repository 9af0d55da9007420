/*
 * machine.c: reads sysfs and procfs. Nothing here is kept: every call looks again.
 */
#define _GNU_SOURCE 1 /* sched_getaffinity, CPU_* */
#include "machine.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CORES_MAX = 64 };

/* First line of a small text file without its newline; false if it cannot be read. */
static bool read_line(const char *path, char *line, size_t capacity) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool read = fgets(line, (int)capacity, file) != NULL;
    (void)fclose(file);
    if (read) {
        line[strcspn(line, "\n")] = '\0';
    }
    return read;
}

static bool topology_number(size_t cpu, const char *name, long *value) {
    char path[128], line[64];
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/topology/%s", cpu, name);
    if (!read_line(path, line, sizeof line)) {
        return false;
    }
    *value = strtol(line, NULL, 10);
    return true;
}

/* Whole CPUs of the control group's quota, rounded up; CORES_MAX if there is none. */
static uint32_t quota_cores(void) {
    char line[64];
    unsigned long long quota = 0, period = 0;
    if (!read_line("/sys/fs/cgroup/cpu.max", line, sizeof line) ||
        sscanf(line, "%llu %llu", &quota, &period) != 2 || period == 0 || quota == 0) {
        return CORES_MAX;
    }
    unsigned long long cores = (quota + period - 1) / period;
    return cores < CORES_MAX ? (uint32_t)cores : CORES_MAX;
}

uint32_t machine_cores(void) {
    cpu_set_t set;
    struct {
        long package, core;
    } seen[CORES_MAX];
    uint32_t count = 0;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE && count < CORES_MAX; cpu++) {
        if (!CPU_ISSET(cpu, &set)) {
            continue;
        }
        long package = 0, core = 0;
        if (!topology_number(cpu, "physical_package_id", &package) ||
            !topology_number(cpu, "core_id", &core)) {
            package = -1; /* without sysfs every CPU counts as a core */
            core = (long)cpu;
        }
        bool known = false;
        for (uint32_t i = 0; i < count; i++) {
            known = known || (seen[i].package == package && seen[i].core == core);
        }
        if (!known) {
            seen[count].package = package;
            seen[count].core = core;
            count++;
        }
    }
    uint32_t quota = quota_cores();
    count = count < quota ? count : quota;
    return count > 0 ? count : 1;
}

uint64_t machine_last_cache_bytes(void) {
    uint64_t largest = 0;
    for (int index = 0; index < 8; index++) {
        char path[128], line[64];
        char unit = 0;
        unsigned long long size = 0;
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
        if (!read_line(path, line, sizeof line) || sscanf(line, "%llu%c", &size, &unit) < 1) {
            continue;
        }
        uint64_t bytes = unit == 'K'   ? size << 10
                         : unit == 'M' ? size << 20
                         : unit == 'G' ? size << 30
                                       : size;
        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

/* The value of "Name:   123 kB" in a procfs file, in bytes; 0 if it is not there. */
static uint64_t proc_kilobytes(const char *path, const char *name) {
    char line[256];
    uint64_t bytes = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            bytes = strtoull(line + strlen(name), NULL, 10) << 10;
            break;
        }
    }
    (void)fclose(file);
    return bytes;
}

/* A number of bytes in a file of the control group; `otherwise` where there is none ("max"). */
static uint64_t group_bytes(const char *path, uint64_t otherwise) {
    char line[64];
    unsigned long long bytes = 0;
    return read_line(path, line, sizeof line) && sscanf(line, "%llu", &bytes) == 1 ? bytes
                                                                                   : otherwise;
}

uint64_t machine_available_memory(void) {
    uint64_t available = proc_kilobytes("/proc/meminfo", "MemAvailable:");
    uint64_t most = group_bytes("/sys/fs/cgroup/memory.max", UINT64_MAX);
    uint64_t used = group_bytes("/sys/fs/cgroup/memory.current", 0);
    uint64_t left = most > used ? most - used : 0;
    return left < available ? left : available;
}

uint64_t machine_peak_memory(void) {
    /* ru_maxrss also counts what the process was before exec (a large parent's copy), VmHWM not. */
    uint64_t peak = proc_kilobytes("/proc/self/status", "VmHWM:");
    struct rusage usage;
    if (peak == 0 && getrusage(RUSAGE_SELF, &usage) == 0) {
        peak = (uint64_t)usage.ru_maxrss << 10;
    }
    return peak;
}

void machine_reset_peak_memory(void) {
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (file != NULL) {
        fputs("5", file); /* proc(5): resets the peak resident set size */
        (void)fclose(file);
    }
}
