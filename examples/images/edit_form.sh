#!/bin/sh
# Edit several pictures, as files of a form, and get an address to fetch the result from: sh edit_form.sh a.png b.png
curl -sf http://127.0.0.1:8000/v1/images/edits \
  -H "Authorization: Bearer $FREETHEAI_API_KEY" \
  -F model=local/sketch \
  -F prompt="Put both on one shelf" \
  -F "image[]=@$1" \
  -F "image[]=@$2" \
  -F response_format=url |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["url"])'
