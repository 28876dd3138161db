"""Writes a vocabulary of 368 tokens in llama.cpp's SentencePiece form: every byte, ASCII, a few words.

usage: vocabulary.py FILE. `../shared/tools/real-upstream/mk_tiny_gguf.py` makes a model of random weights over it.
"""

import sys

from gguf import GGUFWriter, TokenType

SPECIAL = [("<unk>", TokenType.UNKNOWN), ("<s>", TokenType.CONTROL), ("</s>", TokenType.CONTROL)]
BYTES = [(f"<0x{byte:02X}>", TokenType.BYTE) for byte in range(256)]
SPACE = "\u2581"
WORDS = [SPACE, *map(chr, range(33, 127)), *(SPACE + word for word in "the of and to in is it you that was for on are with".split())]
TOKENS = SPECIAL + BYTES + [(word, TokenType.NORMAL) for word in WORDS]

writer = GGUFWriter(sys.argv[1], "llama")
writer.add_tokenizer_model("llama")
writer.add_token_list([text for text, _ in TOKENS])
writer.add_token_scores([float(-index) for index in range(len(TOKENS))])
writer.add_token_types([int(kind) for _, kind in TOKENS])
writer.add_unk_token_id(0)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.close()
