# variants.cmake - the four WebAssembly modules: {simd128, relaxed} x {one thread, threads}.
#
# Why four: an engine refuses a whole module for one instruction that it does not know, and shared
# memory is refused on a page that is not cross-origin isolated; so the page chooses a module
# before it loads one. All are built from the one source list in core/sources.cmake plus abi_*.c.
#
# What must never come in: a file system, an entry point, exceptions, eval, memory beyond what the
# host passed in. Included by the top CMakeLists.txt under emcmake.

set(TERCET_WASM_DIR "${CMAKE_CURRENT_LIST_DIR}")
set(TERCET_WASM_SOURCES
    "${TERCET_WASM_DIR}/abi_state.c"
    "${TERCET_WASM_DIR}/abi_engine.c"
    "${TERCET_WASM_DIR}/abi_loader.c"
    "${TERCET_WASM_DIR}/abi_memory.c"
    "${TERCET_WASM_DIR}/abi_text.c"
    "${TERCET_WASM_DIR}/abi_session.c"
)

# Memory is made by JavaScript at the exact size that the model's header announces
# (`new WebAssembly.Memory({ initial: n, maximum: n })`, `shared: true` for threads) and passed as
# Module.wasmMemory. "Growth" is declared only because a module with a fixed size would import
# nothing else than that size; a memory with initial == maximum cannot grow, and malloc then gives NULL.
set(TERCET_WASM_STACK_BYTES 262144)
set(TERCET_WASM_INITIAL_BYTES 1048576) # the smallest memory that a host may pass
set(TERCET_WASM_LINK_OPTIONS
    --no-entry
    -sSTRICT=1
    -sMODULARIZE=1
    -sEXPORT_ES6=1
    -sENVIRONMENT=web,worker,node
    -sFILESYSTEM=0
    -sIMPORTED_MEMORY=1
    -sALLOW_MEMORY_GROWTH=1
    -sINITIAL_MEMORY=${TERCET_WASM_INITIAL_BYTES}
    -sMAXIMUM_MEMORY=4GB
    -sSTACK_SIZE=${TERCET_WASM_STACK_BYTES}
    -sABORTING_MALLOC=0
    -sMALLOC=emmalloc
    -sASSERTIONS=0
    -sDYNAMIC_EXECUTION=0
    -sNODEJS_CATCH_EXIT=0
    -sNODEJS_CATCH_REJECTION=0
    -sWASM_BIGINT=1
    -sSUPPORT_LONGJMP=0
    "-sINCOMING_MODULE_JS_API=wasmMemory,locateFile,instantiateWasm,wasmBinary,onAbort,print,printErr"
    "-sEXPORTED_FUNCTIONS=@${TERCET_WASM_DIR}/exports.txt"
)

# add_wasm_module(<name> ARCHITECTURES ... [BASE <earlier module>] [THREADS]). Every object of a
# threaded module must be compiled with -pthread, or the linker refuses it; -msimd128 for every file
# is safe, since the whole module needs it anyway.
function(add_wasm_module name)
    cmake_parse_arguments(PARSE_ARGV 1 module "THREADS" "BASE" "ARCHITECTURES")
    set(flags -msimd128)
    if(module_THREADS)
        list(APPEND flags -pthread)
    endif()
    set(base "")
    if(module_BASE)
        set(base BASE core-${module_BASE})
    endif()
    add_core(core-${name} ARCHITECTURES ${module_ARCHITECTURES} OPTIONS ${flags} ${base})

    add_executable(${name} ${TERCET_WASM_SOURCES})
    set_target_properties(${name} PROPERTIES OUTPUT_NAME tercet-${name} SUFFIX .mjs
                          LINK_DEPENDS "${TERCET_WASM_DIR}/exports.txt")
    target_link_libraries(${name} PRIVATE core-${name})
    target_compile_options(${name} PRIVATE ${flags})
    # abi_loader.c plans the memory of a module and must count what the options below take.
    target_compile_definitions(${name} PRIVATE
                               TERCET_WASM_STACK_BYTES=${TERCET_WASM_STACK_BYTES}u
                               TERCET_WASM_INITIAL_BYTES=${TERCET_WASM_INITIAL_BYTES}u)
    target_link_options(${name} PRIVATE -O3 ${TERCET_WASM_LINK_OPTIONS})
    if(module_THREADS)
        # The host says how many workers to start before the factory settles: Module.poolSize.
        # For the host to end a module that it gives up: PThread ends the workers, the two functions let
        # the calling thread stop listening for messages, which would hold the memory.
        file(READ "${TERCET_WASM_DIR}/exports.txt" exports)
        set(exports_with_threads "${CMAKE_CURRENT_BINARY_DIR}/generated/exports-threads.txt")
        file(CONFIGURE OUTPUT "${exports_with_threads}"
             CONTENT "${exports}_pthread_self\n__emscripten_thread_init\n" @ONLY)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${TERCET_WASM_DIR}/exports.txt")
        set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${exports_with_threads}")
        # In a browser, a pthread_create beyond the pool fails with EAGAIN instead of waiting for ever.
        target_link_options(${name} PRIVATE -pthread "-sPTHREAD_POOL_SIZE=Module[\"poolSize\"]"
                            -sPTHREAD_POOL_SIZE_STRICT=2
                            -sEXPORTED_RUNTIME_METHODS=PThread
                            "-sEXPORTED_FUNCTIONS=@${exports_with_threads}"
                            -sDEFAULT_PTHREAD_STACK_SIZE=${TERCET_WASM_STACK_BYTES}
                            -Wno-pthreads-mem-growth)
    endif()
endfunction()

# A visitor downloads a module whole, and most of the core runs once a load, a prompt or a token: it is compiled for size.
# What runs for every weight or position, kernels and attention, is not; forward.c only hands rows to them.
file(GLOB sized RELATIVE "${TERCET_CORE_DIR}" "${TERCET_CORE_DIR}/container/*.c"
     "${TERCET_CORE_DIR}/text/*.c" "${TERCET_CORE_DIR}/generate/*.c")
list(APPEND sized api.c base/status.c base/arena.c kernels/known_answers.c kernels/portable.c
     model/model_config.c model/weights.c model/model.c model/kv_int4.c model/kv_runs.c model/forward.c)
foreach(file IN LISTS sized)
    set_property(SOURCE "${TERCET_CORE_DIR}/${file}" APPEND PROPERTY COMPILE_OPTIONS -Oz)
endforeach()
set_property(SOURCE ${TERCET_WASM_SOURCES} APPEND PROPERTY COMPILE_OPTIONS -Oz)

add_wasm_module(simd128 ARCHITECTURES wasm)
add_wasm_module(simd128-threads ARCHITECTURES wasm THREADS)
add_wasm_module(relaxed ARCHITECTURES wasm wasm_relaxed BASE simd128)
add_wasm_module(relaxed-threads ARCHITECTURES wasm wasm_relaxed BASE simd128-threads THREADS)

# The checks of the kernels (tests/core/kernels/) as modules with a main, for Node and a browser.
# Built by the test that runs it, not with the modules: `npm start` needs none.
function(add_wasm_kernel_check name variant)
    set(check ${name}-${variant})
    set(tests "${PROJECT_SOURCE_DIR}/tests")
    add_executable(${check} EXCLUDE_FROM_ALL "${tests}/core/kernels/${name}.c")
    set_target_properties(${check} PROPERTIES SUFFIX .mjs)
    target_include_directories(${check} PRIVATE "${tests}" "${TERCET_CORE_DIR}")
    target_link_libraries(${check} PRIVATE core-${variant})
    # The stack is that of the real modules: the known answers must fit into it.
    target_link_options(${check} PRIVATE -O3 -sMODULARIZE=1 -sEXPORT_ES6=1 -sENVIRONMENT=web,node
                        -sINVOKE_RUN=0 -sEXPORTED_RUNTIME_METHODS=callMain
                        -sALLOW_MEMORY_GROWTH=1 -sSTACK_SIZE=${TERCET_WASM_STACK_BYTES})
endfunction()

foreach(name IN ITEMS check_kernels check_matrices)
    add_wasm_kernel_check(${name} simd128)
    add_wasm_kernel_check(${name} relaxed)
endforeach()

# The modules once more, with allocations and threads that fail when a test says so (tests/wasm/failing_resources.c). Built by
# the test that runs them.
function(add_failing_module variant)
    cmake_parse_arguments(PARSE_ARGV 1 module "THREADS" "" "")
    set(name failing-${variant})
    add_executable(${name} EXCLUDE_FROM_ALL ${TERCET_WASM_SOURCES}
                   "${PROJECT_SOURCE_DIR}/tests/wasm/failing_resources.c")
    set_target_properties(${name} PROPERTIES SUFFIX .mjs)
    target_link_libraries(${name} PRIVATE core-${variant})
    target_compile_definitions(${name} PRIVATE
                               TERCET_WASM_STACK_BYTES=${TERCET_WASM_STACK_BYTES}u
                               TERCET_WASM_INITIAL_BYTES=${TERCET_WASM_INITIAL_BYTES}u)
    file(READ "${TERCET_WASM_DIR}/exports.txt" exports)
    set(functions "${exports}_failing_allocation\n_failing_thread\n")
    if(module_THREADS)
        string(APPEND functions "_pthread_self\n__emscripten_thread_init\n")
    endif()
    set(list "${CMAKE_CURRENT_BINARY_DIR}/generated/exports-${name}.txt")
    file(CONFIGURE OUTPUT "${list}" CONTENT "${functions}" @ONLY)
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${list}")
    # The last list of exports counts, as in add_wasm_module().
    target_compile_options(${name} PRIVATE -msimd128)
    target_link_options(${name} PRIVATE -O1 ${TERCET_WASM_LINK_OPTIONS} "-sEXPORTED_FUNCTIONS=@${list}"
                        -Wl,--wrap=aligned_alloc)
    if(module_THREADS)
        target_compile_options(${name} PRIVATE -pthread)
        target_link_options(${name} PRIVATE -pthread "-sPTHREAD_POOL_SIZE=Module[\"poolSize\"]"
                            -sPTHREAD_POOL_SIZE_STRICT=2 -sEXPORTED_RUNTIME_METHODS=PThread
                            -sDEFAULT_PTHREAD_STACK_SIZE=${TERCET_WASM_STACK_BYTES}
                            -Wno-pthreads-mem-growth -Wl,--wrap=pthread_create)
    endif()
endfunction()

add_failing_module(simd128)
add_failing_module(relaxed)
add_failing_module(simd128-threads THREADS)
add_failing_module(relaxed-threads THREADS)

include("${TERCET_WASM_DIR}/packer.cmake")
