#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\nreads %s\n' "$PATH_INFO"
env | grep ^HTTP_
