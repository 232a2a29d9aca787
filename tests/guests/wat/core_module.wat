;; A core module and no component.
(module (func (export "run") (result i32) (i32.const 0)))
