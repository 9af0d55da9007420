# sources.cmake - the one list of core sources and the one table of kernel sets.
#
# Why it exists: the native library and the four WebAssembly modules are built from the same text,
# and each kernel file alone is compiled with the flags of its instruction set, so that nothing
# else can pick up an instruction that the machine may lack. Adding a kernel set is one file in
# core/kernels/ and one row here; neither select.c nor a test changes.
#
# It must never: glob, or give a flag of an instruction set to a file outside the table.

# Relative to core/. In reading order: what a file may use stands above it.
set(TERCET_CORE_SOURCES
    base/status.c
    base/math.c
    base/arena.c
    base/cpu_features.c
    base/thread_pool.c
    container/container_fields.c
    container/container_config.c
    container/container_tensors.c
    container/container_tokenizer.c
    container/container_chat.c
    container/container_reader.c
    container/loader.c
    text/utf8.c
    text/unicode_tables.c
    text/unicode_lookup.c
    text/normal_form.c
    text/pretokenizer.c
    text/special_tokens.c
    text/merge_machine.c
    text/wordpiece.c
    text/tokenizer.c
    text/chat_format.c
    text/chat_text.c
    kernels/weight_row.c
    kernels/known_answers.c
    kernels/select.c
    model/model_config.c
    model/weights.c
    model/kv_int4.c
    model/kv_cache.c
    model/kv_runs.c
    model/model.c
    model/attention.c
    model/state_space.c
    model/forward.c
    generate/lookup.c
    generate/sampler.c
    generate/logprobs.c
    generate/session.c
    generate/session_step.c
    generate/session_state.c
    generate/arriving.c
    api.c
)

# name | file in core/kernels/ | architecture | compiler flags
# In rising order: a later set is preferred where it works. `architecture` is what add_core was
# asked to build for, or `any`. x86_avx2 has no -mfma on purpose: a fused multiply-add rounds once
# where every other build rounds twice, and the twins would part. AVX-512 brings one of its own,
# which -ffp-contract=off below keeps the compiler from using.
set(TERCET_KERNEL_SETS
    "portable         | portable.c         | any          |"
    "x86_avx2         | x86_avx2.c         | x86_64       | -mavx2 -mf16c"
    "x86_avxvnni      | x86_avxvnni.c      | x86_64       | -mavx2 -mf16c -mavxvnni"
    "x86_avx512vnni   | x86_avx512vnni.c   | x86_64       | -mavx2 -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
    "arm_neon_dotprod | arm_neon_dotprod.c | arm64        | -march=armv8.2-a+dotprod"
    "wasm_simd128     | wasm_simd128.c     | wasm         | -msimd128"
    "wasm_relaxed     | wasm_relaxed.c     | wasm_relaxed | -msimd128 -mrelaxed-simd"
    "wasm_relaxed_dot | wasm_relaxed_dot.c | wasm_relaxed | -msimd128 -mrelaxed-simd"
)

# No fused multiply-add anywhere, no fast-math anywhere; errno is not looked at after sqrtf, which
# lets the compiler use the instruction and changes no result.
set(TERCET_CORE_FLAGS -ffp-contract=off -fno-math-errno)

set(TERCET_CORE_DIR "${CMAKE_CURRENT_LIST_DIR}")

# add_core(<target> ARCHITECTURES <name>... [OPTIONS <flag>...] [BASE <earlier target>])
#
# A static library of the core with the kernel sets that these architectures name; OPTIONS are
# compiled into every file. The list that kernels/select.c includes is generated as kernel_sets.inc:
# one line TERCET_KERNEL_SET(name) for each set, in rising order. BASE is an earlier core with the
# same OPTIONS and fewer sets: what it has compiled is linked and not compiled again.
function(add_core target)
    cmake_parse_arguments(PARSE_ARGV 1 core "" "BASE" "ARCHITECTURES;OPTIONS")
    set(sources "")
    foreach(file IN LISTS TERCET_CORE_SOURCES)
        list(APPEND sources "${TERCET_CORE_DIR}/${file}")
    endforeach()
    set(list_text "/* Generated from core/sources.cmake: the kernel sets of ${target}. */\n")
    foreach(row IN LISTS TERCET_KERNEL_SETS)
        string(REGEX MATCH "^([^|]*)\\|([^|]*)\\|([^|]*)\\|(.*)$" matched "${row}")
        if(NOT matched)
            message(FATAL_ERROR "core/sources.cmake: this row is not 'name | file | architecture | flags': ${row}")
        endif()
        string(STRIP "${CMAKE_MATCH_1}" set_name)
        string(STRIP "${CMAKE_MATCH_2}" set_file)
        string(STRIP "${CMAKE_MATCH_3}" set_architecture)
        separate_arguments(set_flags UNIX_COMMAND "${CMAKE_MATCH_4}")
        if(set_architecture STREQUAL "any" OR set_architecture IN_LIST core_ARCHITECTURES)
            set(path "${TERCET_CORE_DIR}/kernels/${set_file}")
            list(APPEND sources "${path}")
            if(set_flags)
                set_source_files_properties("${path}" PROPERTIES COMPILE_OPTIONS "${set_flags}")
            endif()
            string(APPEND list_text "TERCET_KERNEL_SET(${set_name})\n")
        endif()
    endforeach()
    set(generated "${CMAKE_CURRENT_BINARY_DIR}/generated/${target}")
    file(CONFIGURE OUTPUT "${generated}/kernel_sets.inc" CONTENT "${list_text}" @ONLY)

    # select.c sees the list, and cpu_features.c may try the instructions that only some cores may hold: these two alone
    # differ between cores of one kind.
    set(own "${TERCET_CORE_DIR}/kernels/select.c" "${TERCET_CORE_DIR}/base/cpu_features.c")
    list(REMOVE_ITEM sources ${own})
    set(base_objects "")
    if(core_BASE)
        get_target_property(base_sources ${core_BASE}-objects SOURCES)
        list(REMOVE_ITEM sources ${base_sources})
        set(base_objects "$<TARGET_OBJECTS:${core_BASE}-objects>")
    endif()
    add_library(${target}-objects OBJECT ${sources})
    add_library(${target} STATIC ${own} $<TARGET_OBJECTS:${target}-objects> ${base_objects})
    if("wasm_relaxed" IN_LIST core_ARCHITECTURES)
        target_compile_options(${target} PRIVATE -mrelaxed-simd)
    endif()
    foreach(part IN ITEMS ${target}-objects ${target})
        target_include_directories(${part} PUBLIC "${TERCET_CORE_DIR}/include"
                                           PRIVATE "${TERCET_CORE_DIR}" "${generated}")
        target_compile_options(${part} PRIVATE ${TERCET_CORE_FLAGS} ${core_OPTIONS})
    endforeach()
endfunction()
