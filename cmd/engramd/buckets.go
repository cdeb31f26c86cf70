package main

// Buckets for archives of snapshots, beside file:// which is always there. Each registers its scheme with gocloud.dev/blob.
import _ "gocloud.dev/blob/s3blob" // s3://name?region=R
