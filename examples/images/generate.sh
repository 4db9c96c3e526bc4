#!/bin/sh
# Generate a picture and save it: needs curl and python3.
curl -sf http://127.0.0.1:8000/v1/images/generations \
  -H "Authorization: Bearer $FREETHEAI_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "local/sketch",
    "prompt": "A cinematic neon sports car parked under rainy city lights"
  }' |
  python3 -c 'import base64, json, sys; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))' \
    > generated.png
