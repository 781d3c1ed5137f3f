#!/usr/bin/env python3
r"""The peer of `just bench serve`: a server of CTranslate2 and FastAPI, which answers POST /translate as Attend does.

    python bench/ctranslate2_serve.py MODEL --beam 4 --workers 2 --threads 1 --batching gathered --dtype int8

MODEL is an export for CTranslate2 with its tokenizer.json. The server takes a free port and prints its address as the
first line of standard error. Each line of a text is translated by itself. There are two ways of batching:

- `asynchronous`: each request is a call of CTranslate2's asynchronous translation, whose workers take one after the
  other;
- `gathered`: whenever a worker is free, the lines of all requests that wait are translated in one call.

Needs ctranslate2, fastapi, tokenizers and uvicorn[standard].
"""

import argparse
import asyncio
import pathlib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import ctranslate2
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

# How many tokens a hypothesis may have beyond those of its source (section 6.1 of the paper).
EXTRA_LENGTH = 50


class Asked(BaseModel):
    q: str
    source: str
    target: str


class Peer:
    def __init__(self, options):
        self.options = options
        self.tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
        self.translator = ctranslate2.Translator(
            str(options.model),
            compute_type=options.dtype,
            inter_threads=options.workers,
            intra_threads=options.threads,
        )
        self.settings = {
            "beam_size": options.beam,
            "length_penalty": options.length_penalty,
            "max_batch_size": options.batch,
        }
        self.waiting = asyncio.Queue()
        # Threads that wait for CTranslate2, which computes on threads of its own.
        self.threads = ThreadPoolExecutor(options.workers if options.batching == "gathered" else 256)

    def max_length(self, sentences):
        # A call has one limit for all of its sentences, so it is that of the longest.
        return min(max(map(len, sentences)) + EXTRA_LENGTH, self.options.max_length)

    def tokens(self, text):
        return [self.tokenizer.encode(line, add_special_tokens=False).tokens for line in text.split("\n")]

    def text(self, results):
        ids = [[self.tokenizer.token_to_id(token) for token in result.hypotheses[0]] for result in results]
        return "\n".join(self.tokenizer.decode(line).strip() for line in ids)

    def translate_gathered(self, sentences):
        return self.translator.translate_batch(
            sentences, max_decoding_length=self.max_length(sentences), **self.settings
        )

    def translate_asynchronously(self, sentences):
        results = self.translator.translate_batch(
            sentences, asynchronous=True, max_decoding_length=self.max_length(sentences), **self.settings
        )
        return [result.result() for result in results]

    async def work(self):
        """Translates what waits in one call, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            jobs = [await self.waiting.get()]
            lines = len(jobs[0][0])
            while lines < self.options.batch and not self.waiting.empty():
                jobs.append(self.waiting.get_nowait())
                lines += len(jobs[-1][0])
            sentences = [sentence for sentences, _ in jobs for sentence in sentences]
            results = iter(await loop.run_in_executor(self.threads, self.translate_gathered, sentences))
            for sentences, answer in jobs:
                found = [next(results) for _ in sentences]
                if not answer.done():
                    answer.set_result(found)

    async def translate(self, text):
        sentences = self.tokens(text)
        loop = asyncio.get_running_loop()
        if self.options.batching == "gathered":
            answer = loop.create_future()
            self.waiting.put_nowait((sentences, answer))
            results = await answer
        else:
            results = await loop.run_in_executor(self.threads, self.translate_asynchronously, sentences)
        return self.text(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--beam", type=int, required=True)
    parser.add_argument("--length-penalty", type=float, required=True)
    parser.add_argument("--max-length", type=int, required=True, help="most tokens of a translation")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, default=64, help="most lines that are decoded together")
    parser.add_argument("--batching", choices=["asynchronous", "gathered"], required=True)
    parser.add_argument("--dtype", choices=["float32", "int8"], required=True)
    options = parser.parse_args()
    peer = Peer(options)

    @asynccontextmanager
    async def workers(_):
        tasks = [asyncio.create_task(peer.work()) for _ in range(options.workers)]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(lifespan=workers)

    @app.post("/translate")
    async def translate(asked: Asked):
        return {"translatedText": await peer.translate(asked.q)}

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
