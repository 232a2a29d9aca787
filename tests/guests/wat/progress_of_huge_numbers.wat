;; An agent that says it has done 2^64-1 of 2^53, then 2^53-1 of 5, and returns `{}`.
(component
  (import "bailiwick:agent/types@0.1.0" (instance $types
    (type $record (record (field "code" string) (field "message" string)))
    (export "failure" (type (eq $record)))))
  (alias export $types "failure" (type $failure))
  (import "bailiwick:agent/progress@0.1.0" (instance $progress (export "update" (func (param "done" u64) (param "total" u64) (param "what" string)))))
  (core module $libc
    (memory (export "memory") 1)
    (data (i32.const 64) "{}")
    (data (i32.const 16) "\00\00\00\00\40\00\00\00\02\00\00\00")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 128)))
  (core instance $libc (instantiate $libc))
  (core func $update (canon lower (func $progress "update") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core module $m
    (import "host" "update" (func $update (param i64 i64 i32 i32)))
    (func (export "run") (param i32 i32) (result i32)
      (call $update (i64.const -1) (i64.const 9007199254740992) (i32.const 64) (i32.const 2))
      (call $update (i64.const 9007199254740991) (i64.const 5) (i32.const 64) (i32.const 2))
      (i32.const 16)))
  (core instance $m (instantiate $m (with "host" (instance (export "update" (func $update))))))
  (func $run (param "input" string) (result (result string (error $failure)))
    (canon lift (core func $m "run") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (instance $out (export "run" (func $run)))
  (export "bailiwick:agent/agent@0.1.0" (instance $out)))
