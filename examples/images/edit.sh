#!/bin/sh
# Edit a picture that is sent along as a data URL, and save the result: sh edit.sh logo.png
{
  printf '{"model": "local/sketch", "prompt": "Improve this logo and make it cleaner", "image": "data:image/png;base64,'
  base64 < "$1" | tr -d '\n'
  printf '"}'
} |
  curl -sf http://127.0.0.1:8000/v1/images/edits \
    -H "Authorization: Bearer $FREETHEAI_API_KEY" \
    -H "Content-Type: application/json" \
    --data-binary @- |
  python3 -c 'import base64, json, sys; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))' \
    > edited.png
