/*
 * machine.h: what this process may use: cores, cache, memory. Linux only (sysfs, procfs); where a
 * figure cannot be had, the answer says so (0) instead of guessing.
 */
#ifndef TERCET_NATIVE_MACHINE_H
#define TERCET_NATIVE_MACHINE_H

#include <stdint.h>

/* Physical cores this process may run on: its affinity mask with hyperthreads of one core counted
 * once, no more than the control group's CPU quota allows; 1..64. The default for --threads: a
 * second hyperthread does not read memory faster, and a spinning thread without a core is harm. */
uint32_t machine_cores(void);
/* Size of CPU 0's largest cache, bytes; 0 if unknown. */
uint64_t machine_last_cache_bytes(void);
/* Memory that can be taken without swapping, bytes; 0 if unknown. */
uint64_t machine_available_memory(void);
/* Most memory this process has had resident, mapped files included, bytes. */
uint64_t machine_peak_memory(void);
/* Makes machine_peak_memory count from now on, where the kernel allows it. */
void machine_reset_peak_memory(void);

#endif
