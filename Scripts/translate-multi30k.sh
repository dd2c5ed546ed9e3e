#!/bin/sh
# Trains German to English on Multi30k and scores the translations: the recipe of Documentation/Translation.md.
#
#     Scripts/translate-multi30k.sh DATA OUTPUT
#
# DATA holds train, val and test_2016_flickr, each as .de and .en, plain or with .gz. OUTPUT becomes the model, the mean of
# the last five saves; texts, log and translations lie beside it, as OUTPUT.text, OUTPUT.jsonl and OUTPUT.en. A run that was
# interrupted goes on from its last save.
set -eu
data=$1
output=$2
heed=${HEED:-.build/release/heed}
text=$output.text
mkdir -p "$text"
for name in train val test_2016_flickr; do
    for language in de en; do
        if [ -f "$data/$name.$language.gz" ]; then
            gzip -dc "$data/$name.$language.gz" > "$text/$name.$language"
        else
            cp "$data/$name.$language" "$text/$name.$language"
        fi
    done
done
"$heed" train --source "$text/train.de" --target "$text/train.en" \
    --validation-source "$text/val.de" --validation-target "$text/val.en" \
    --tokenizer-kind byte-bpe --vocab-size 6000 --preset translation-small --batch-tokens 1500 \
    --steps 9000 --lr 1e-3 --warmup 800 --schedule cosine --min-lr 1e-5 \
    --beta1 0.9 --beta2 0.98 --epsilon 1e-9 --weight-decay 0 --clip 1 --label-smoothing 0.1 \
    --dtype bf16 --threads "${THREADS:-2}" --average 5 --save-every 300 --evaluate-every 300 \
    --output "$output" --log "$output.jsonl" --resume
"$heed" translate "$output" --input "$text/test_2016_flickr.de" --output "$output.en" --beams 5 --overwrite
"$heed" evaluate --bleu "$output.en" "$text/test_2016_flickr.en" --json
