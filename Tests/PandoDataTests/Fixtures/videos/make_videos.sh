#!/usr/bin/env bash
# Makes the clips of this folder with the ffmpeg command (5.1 made those that are stored).
#
# Frame n of every clip is of one grey, 16 + 8 n, but for its right quarter, which is red, so that both the frame's
# number and which way is up can be seen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# frames SIZE RATE COUNT: the source's filter.
frames() {
    printf "nullsrc=size=%s:rate=%s,trim=end_frame=%s,format=rgb24," "$1" "$2" "$3"
    printf "geq=r='if(gte(X,W*3/4),255,16+8*N)':g='if(gte(X,W*3/4),0,16+8*N)':b='if(gte(X,W*3/4),0,16+8*N)',format=yuv420p"
}

quiet=(-hide_banner -loglevel error -y -fflags +bitexact)
plain=(-flags:v +bitexact -map_metadata -1)

# 25 frames at 10 a second; H.264 with B-frames, a key frame every 8 frames, and a sound track.
ffmpeg "${quiet[@]}" -f lavfi -i "$(frames 64x48 10 25)" -f lavfi -i "sine=frequency=440:duration=2.5" \
    -map 0:v -map 1:a -c:v libx264 -preset slow -qp 12 -g 8 -keyint_min 8 -sc_threshold 0 -bf 3 -c:a aac -b:a 16k \
    "${plain[@]}" bframes.mp4

# The same frames, MPEG-4 part 2 in a transport stream: no header tells how long it is, times do not begin at 0.
ffmpeg "${quiet[@]}" -f lavfi -i "$(frames 64x48 25 20)" -c:v mpeg4 -qscale:v 2 -g 5 -sc_threshold 1000000000 "${plain[@]}" stream.ts

# Ten frames shown at 0, 0.1, 0.2, then 1.2, 1.3, 1.4, then 3.4 ... 3.7 seconds.
ffmpeg "${quiet[@]}" -f lavfi -i "$(frames 64x48 10 10),settb=1/1000,setpts='100*N+900*gte(N,3)+1900*gte(N,6)'" \
    -fps_mode passthrough -enc_time_base 1/1000 -c:v libx264 -qp 12 -bf 0 "${plain[@]}" variable.mkv

# Stored lying on its side: a player turns it counter-clockwise by 90 degrees. wide.avi: pixels twice as wide as high.
ffmpeg "${quiet[@]}" -f lavfi -i "$(frames 32x48 10 5)" -c:v libx264 -qp 12 "${plain[@]}" upright.mp4
ffmpeg "${quiet[@]}" -i upright.mp4 -c copy -metadata:s:v:0 rotate=90 rotated.mp4
rm upright.mp4
ffmpeg "${quiet[@]}" -f lavfi -i "$(frames 32x48 10 5),setsar=2/1" -c:v mpeg4 -qscale:v 2 "${plain[@]}" wide.avi

# Sound alone.
ffmpeg "${quiet[@]}" -f lavfi -i "sine=frequency=440:duration=0.2" -c:a aac -b:a 16k "${plain[@]}" sound.mp4
