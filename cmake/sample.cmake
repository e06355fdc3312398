# SPDX-License-Identifier: Apache-2.0
# Run with cmake -P: writes the sample data of `tidemark serve --sample` as a C file.
#   SAMPLES: the folder samples/; OUT: the file to write
execute_process(COMMAND ${SAMPLES}/generate 9 OUTPUT_VARIABLE generated COMMAND_ERROR_IS_FATAL ANY)
file(READ ${SAMPLES}/seed.jsonl seed)
file(WRITE ${OUT}.jsonl "${seed}${generated}")
file(READ ${OUT}.jsonl bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "#include \"admin/server.h\"\n\nconst unsigned char sample_lines[] = {\n${bytes}\n};\nconst size_t sample_lines_len = sizeof(sample_lines);\n")
