;; An agent whose answer lies outside of its memory.
(component
  (import "bailiwick:agent/types@0.1.0" (instance $types
    (type $record (record (field "code" string) (field "message" string)))
    (export "failure" (type (eq $record)))))
  (alias export $types "failure" (type $failure))
  (core module $m
    (memory (export "memory") 2)
    (data (i32.const 16) "{\"a\":\"\ff\ed\a0\80\"}{\"n\":1e999}[[[[{}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (i32.store (i32.const 4) (i32.const 65530)) (i32.store (i32.const 8) (i32.const -1))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (param "input" string) (result (result string (error $failure)))
    (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc"))))
  (instance $out (export "run" (func $run)))
  (export "bailiwick:agent/agent@0.1.0" (instance $out)))
