# packer.cmake - the packer's own module: GGUF in, .tercet out, for a page that is given a GGUF file.
#
# Apart from the four of the engine, because most pages never need it. No threads, no SIMD flags of its own, no JavaScript
# glue: imports are the few functions of packer_host.h, and web/src/packer_module.ts makes the instance. Of the packer's
# sources only what GGUF needs is listed. Headers name cJSON's types here and there: they are compiled against a copy of its
# header, and nothing that would call it is linked (an undefined symbol fails the link).

find_file(TERCET_CJSON_HEADER cjson/cJSON.h PATHS /usr/include /usr/local/include NO_DEFAULT_PATH
          NO_CMAKE_FIND_ROOT_PATH)
if(NOT TERCET_CJSON_HEADER)
    message(FATAL_ERROR "libcjson is missing: apt-get install libcjson-dev")
endif()
configure_file("${TERCET_CJSON_HEADER}" "${CMAKE_CURRENT_BINARY_DIR}/generated/cjson/cJSON.h" COPYONLY)

set(TERCET_GGUF_SOURCES
    packer/about_source.c
    packer/architectures.c
    packer/block_codecs.c
    packer/byte_alphabet.c
    packer/chat_section.c
    packer/chat_template.c
    packer/container_header.c
    packer/container_writer.c
    packer/gguf_header.c
    packer/gguf_model.c
    packer/gguf_places.c
    packer/gguf_rotation.c
    packer/gguf_source.c
    packer/gguf_types.c
    packer/gguf_values.c
    packer/pack.c
    packer/packed_rows.c
    packer/prove_lossless.c
    packer/read_gguf.c
    packer/read_sentencepiece.c
    packer/rope_frequencies.c
    packer/source_codes.c
    packer/source_matrix.c
    packer/source_names.c
    packer/source_rows.c
    packer/source_survey.c
    packer/source_tensors.c
    packer/source_weights.c
    packer/strip_crew.c
    packer/template_words.c
    packer/tensor_form.c
    packer/tensor_writer.c
    packer/ternarize.c
    packer/ternary_blocks.c
    packer/ternary_survey.c
    packer/tile_writer.c
    packer/token_spelling.c
    packer/tokenizer_builder.c
    packer/tokenizer_gguf.c
    packer/tokenizer_sentencepiece.c
    packer/tokenizer_tables.c
)
list(TRANSFORM TERCET_GGUF_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/")
add_library(packer-gguf STATIC ${TERCET_GGUF_SOURCES})
target_include_directories(packer-gguf PUBLIC "${PROJECT_SOURCE_DIR}/packer" "${TERCET_CORE_DIR}"
                           "${CMAKE_CURRENT_BINARY_DIR}/generated")
target_compile_options(packer-gguf PUBLIC -msimd128 -ffunction-sections)
target_link_libraries(packer-gguf PUBLIC core-simd128)

add_executable(packer "${TERCET_WASM_DIR}/packer_abi.c" "${TERCET_WASM_DIR}/packer_files.c"
                      "${TERCET_WASM_DIR}/packer_source.c" "${TERCET_WASM_DIR}/abi_memory.c")
target_include_directories(packer PRIVATE "${TERCET_CORE_DIR}/include")
set_target_properties(packer PROPERTIES OUTPUT_NAME tercet-packer SUFFIX .wasm)
target_link_libraries(packer PRIVATE packer-gguf)
# Memory grows with the header and the widest rows of a file, never with its tensors.
target_link_options(packer PRIVATE -O3 --no-entry -sSTRICT=1 -sSTANDALONE_WASM=1 -sFILESYSTEM=0
                    -sALLOW_MEMORY_GROWTH=1 -sINITIAL_MEMORY=4MB -sMAXIMUM_MEMORY=1GB
                    -sSTACK_SIZE=1MB -sABORTING_MALLOC=0 -sMALLOC=emmalloc -sASSERTIONS=0
                    -sSUPPORT_LONGJMP=0 -sWASM_BIGINT=1
                    "-sEXPORTED_FUNCTIONS=_tercet_packer_version,_tercet_packer_take,_tercet_packer_result,_tercet_packer_pack")
