# What scripts/bench-kafka and scripts/bench-cluster share. To be sourced, with work set to a directory of the caller's own.
# Sets skidway (the program under test), libs (Kafka's jars) and jvm (how Kafka's own scripts run it).

skidway=$work/skidway
libs=$PWD/bin/bench-kafka/libs
jvm=(-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent
  -XX:MaxInlineLevel=15 -Djava.awt.headless=true "-Dlog4j.configuration=file:$work/log4j.properties" -cp "$libs/*")

fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

install_kafka() {
  command -v java > /dev/null || fail "Java 17 or later is needed to run Kafka"
  if [ ! -d "$libs" ]; then
    command -v mvn > /dev/null || fail "Maven (mvn) is needed to fetch Kafka"
    mvn -q -B -f scripts/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$libs.new"
    mv "$libs.new" "$libs"
  fi
  cat > "$work/log4j.properties" <<L
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c: %m%n
L
}

install_skidway() {
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(git describe --tags --always --dirty 2> /dev/null || echo unknown)" \
    -o "$skidway" ./cmd/skidway
}

# format_kafka makes the data directory that a file of properties names.
format_kafka() { # PROPERTIES LOG
  java -Xmx256m "${jvm[@]}" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qk -c "$1" > "$2" 2>&1 ||
    { cat "$2" >&2; fail "Kafka's storage could not be formatted"; }
}

# same_version refuses to add to the results of another build. (Writing the table makes a clean tree a dirty one.)
same_version() { # FILE
  local is other
  is=$("$skidway" version 2> /dev/null | awk 'NR == 1 { sub(/-dirty$/, "", $2); print $2 }')
  other=$(sed -n 's/.*"driver":"skidway".*"target":{"address":"[^"]*","version":"\([^"]*\)".*/\1/p' "$1" | sed 's/-dirty$//' | sort -u | grep -vxF "$is" | head -1 || true)
  [ -z "$other" ] || fail "$1 has results of version $other, and this is $is: start anew without RESUME, or mix them with APPEND=1"
}

# settings are those of the variables that were not left to their defaults, as they are given.
settings() { # NAME...
  local v
  for v in "$@"; do
    if [ -n "${!v:-}" ]; then printf '%s="%s" ' "$v" "${!v}"; fi
  done
}

versions() {
  printf 'Skidway %s, fsync before every answer; Kafka %s.\n' "$("$skidway" version 2> /dev/null | sed -n '1s/^skidway //p')" \
    "$(basename "$libs"/kafka_2.13-*.jar .jar | sed 's/.*-//')"
}

# into_doc puts a file between the markers of a page, which are added if they are missing.
into_doc() { # MARKER FILE PAGE
  [ -f "$3" ] || printf '# Benchmarks\n\n' > "$3"
  grep -q "<!-- $1: begin -->" "$3" || printf '\n<!-- %s: begin -->\n<!-- %s: end -->\n' "$1" "$1" >> "$3"
  {
    sed "/<!-- $1: begin -->/q" "$3"
    printf '\n'
    cat "$2"
    printf '\n'
    sed -n "/<!-- $1: end -->/,\$p" "$3"
  } > "$work/doc.md"
  cp "$work/doc.md" "$3"
}
