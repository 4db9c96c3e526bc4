#!/bin/sh
# Start a background job, ask for it until it has ended, and save the picture.
base=http://127.0.0.1:8000/v1/images/generations
key="Authorization: Bearer $FREETHEAI_API_KEY"
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

id=$(curl -sf "$base" -H "$key" -H "Content-Type: application/json" \
  -d '{"model": "local/sketch", "prompt": "A lighthouse at dawn", "background": true}' | field id)
while :; do
  job=$(curl -sf "$base/$id" -H "$key")
  case $(printf %s "$job" | field status) in
    completed) break ;;
    failed | expired) printf '%s\n' "$job" >&2; exit 1 ;;
  esac
  sleep 2
done
printf %s "$job" |
  python3 -c 'import base64, json, sys; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))' \
    > job.png
